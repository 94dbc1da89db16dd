# Completion of dlock in fish. The commands and options are those that `dlock help` lists.

function __dlock_complete
    set -l words (commandline -opc)
    if test (count $words) -eq 1; or test $words[2] = help
        dlock help 2>/dev/null | string match -rg '^  dlock ([a-z]+) ' | sort -u
        test (count $words) -ne 1; or printf '%s\n' help --help --version
        return
    end

    # As in "  -w, --wait DURATION     wait at most so long".
    set -l lines (dlock help $words[2] 2>/dev/null | string match -r '^ {2,6}-.*')
    set -l valued (string match -rg '^ +(-.*?) [A-Z]+  ?' -- $lines | string split -n ', ')
    set -l at 3
    while test $at -le (count $words); and string match -qr '^-.*[^-]' -- $words[$at]
        not contains -- $words[$at] $valued; or set at (math $at + 1)
        set at (math $at + 1)
    end
    if contains $words[2] run elect; and test $at -le (count $words)
        # Behind the NAME: COMMAND and its arguments.
        __fish_complete_subcommand --fcs-skip=3 $valued
    else if test $at -ne (math (count $words) + 2) # else: the value of an option
        for line in $lines
            set -l parts (string match -rg '^ +(.*?)(?: [A-Z]+)?  +(.*)' -- $line)
            printf "%s\t$parts[2]\n" (string split ', ' -- $parts[1])
        end
    end
end

complete -c dlock -f -a '(__dlock_complete)'
