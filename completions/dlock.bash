# Completion of dlock in bash. The commands and options are those that `dlock help` lists.

_dlock() {
    local dlock=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]}
    local found options valued at=2 runs=no
    COMPREPLY=()
    if ((COMP_CWORD == 1)) || [[ $command == help ]]; then
        found=$("$dlock" help 2>/dev/null | sed -nE 's/^  dlock ([a-z]+) .*/\1/p' | sort -u)
        [[ $command == help && $COMP_CWORD -gt 1 ]] || found+=" help --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
        return
    fi
    [[ $command != run && $command != elect ]] || runs=yes

    # As in "-w --wait DURATION", and of these what takes a value.
    options=$("$dlock" help "$command" 2>/dev/null | sed -nE '/^ {2,6}-/ { s/^ +//; s/  .*//; s/,//; p }')
    valued=" $(sed -nE 's/ [A-Z]+$//p' <<<"$options" | tr '\n' ' ')"
    while ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} == -?* && ${COMP_WORDS[at]} != -- ]]; do
        [[ $valued != *" ${COMP_WORDS[at]} "* ]] || ((++at))
        [[ ${COMP_WORDS[at]} != = ]] || ((++at))
        ((++at))
    done
    if [[ $word == -* ]] && [[ $at == "$COMP_CWORD" || $runs == no ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(sed -E 's/ [A-Z]+$//' <<<"$options")" -- "$word")
    elif ((at < COMP_CWORD)) && [[ $runs == yes ]]; then
        [[ ${COMP_WORDS[at]} != -- ]] || ((++at))
        ((++at)) # past NAME
        [[ ${COMP_WORDS[at]-} != -- ]] || ((at == COMP_CWORD)) || ((++at))
        if ((at == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$word")
        elif ((at < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
            _command_offset "$at" # of bash-completion
        elif ((at < COMP_CWORD)); then
            compopt -o default
        fi
    fi
}

complete -F _dlock dlock
