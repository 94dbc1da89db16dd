# Writes the manual page of dlock, or of one of its subcommands, from what --help says:
#
#   { dlock help; dlock help run; } | awk -v version=0.1.0 -v date=2026-01-31 -f man_page.awk
#
# The help of dlock comes first: it has what holds for all, and the names of the subcommands.

# Text for roff, in which these are other characters.
function plain(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    gsub(/`/, "\\(ga", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/~/, "\\(ti", text)
    if (text ~ /^\./) text = "\\&" text
    return text
}

# Options bold, words in capitals italic.
function marked(text,    result, word) {
    while (match(text, /--?[A-Za-z][a-z-]*|[A-Z]+/)) {
        word = substr(text, RSTART, RLENGTH)
        result = result plain(substr(text, 1, RSTART - 1)) \
            (word ~ /^-/ ? "\\fB" : "\\fI") plain(word) "\\fR"
        text = substr(text, RSTART + RLENGTH)
    }
    return result plain(text)
}

function add(section, text) { sections[section] = sections[section] text "\n" }

# A line of a list: what stands before two spaces, and what it means.
function add_item(section, line,    gap, term) {
    sub(/^ +/, "", line)
    gap = index(line "  ", "  ")
    term = substr(line, 1, gap - 1)
    line = substr(line, gap)
    sub(/^ +/, "", line)
    add(section, ".TP\n" (section == "OPTIONS" ? marked(term) : "\\fB" plain(term) "\\fR"))
    add(section, line == "" ? "\\&" : plain(line))
}

function print_section(title) {
    if (sections[title] common[title] == "") return
    print ".SH " title
    printf "%s", sections[title]
    if (sections[title] != "" && common[title] != "") print ".PP"
    printf "%s", common[title]
}

NR == 1 {
    name = "dlock"
    summary = substr($0, length("dlock: ") + 1)
    summarized[name] = 1
    add("SYNOPSIS", "dlock " marked("COMMAND [OPTION...] [ARG...]"))
    add("DESCRIPTION", "Each \\fICOMMAND\\fR has a manual page, such as dlock\\-run(1).")
    next
}

# A subcommand: its own help goes before what holds for all.
/^Usage: / {
    name = "dlock-" $3
    summary = ""
    common["EXIT STATUS"] = sections["EXIT STATUS"]
    common["ENVIRONMENT"] = sections["ENVIRONMENT"]
    common["FILES"] = sections["FILES"]
    split("", sections)
    kind = "SYNOPSIS"
}

$0 == "" { kind = ""; next }

# The first line of a paragraph tells what it is.
kind == "" {
    kind = "DESCRIPTION"
    if (/^  dlock /) kind = "EXAMPLES"
    else if (/^ +-/) kind = "OPTIONS"
    else if (sub(/^Exit status: /, "")) kind = "EXIT STATUS"
    else if (sub(/^Environment: /, "")) kind = "ENVIRONMENT"
    else if (sub(/^Files: /, "")) kind = "FILES"
    if (kind !~ /EXAMPLES|OPTIONS/ && sections[kind] != "") add(kind, ".PP")
}

kind == "SYNOPSIS" {
    add(kind, (sections[kind] == "" ? "" : ".br\n") "dlock " marked(substr($0, 14)))
}
kind == "EXAMPLES" {
    add_item(kind, $0)
    if (name == "dlock" && !($2 in subcommands)) {
        subcommands[$2]
        names[++count] = name "-" $2
    }
}
kind == "OPTIONS" && /^ ? ? ? ? ? ?-/ { add_item(kind, $0); next }
kind == "DESCRIPTION" && /^  / { add_item(kind, $0); next }
kind ~ /OPTIONS|DESCRIPTION|EXIT|ENVIRONMENT|FILES/ { sub(/^ +/, ""); add(kind, plain($0)) }
kind == "DESCRIPTION" && !summarized[name] {
    # The first clause, which may go over two lines.
    summary = summary (summary == "" ? "" : " ") $0
    summarized[name] = sub(/[.;].*/, "", summary)
}

END {
    printf ".\\\" Made from what dlock --help says.\n"
    printf ".TH %s 1 %s \"dlock %s\"\n", toupper(name), date, version
    printf ".SH NAME\n%s \\- %s\n", plain(name), plain(tolower(substr(summary, 1, 1)) substr(summary, 2))
    print_section("SYNOPSIS")
    print_section("DESCRIPTION")
    print_section("OPTIONS")
    print_section("EXIT STATUS")
    print_section("ENVIRONMENT")
    print_section("FILES")
    print_section("EXAMPLES")
    print ".SH SEE ALSO"
    names[0] = "dlock"
    for (i = 0; i <= count; i++) {
        if (names[i] != name) others = others (others == "" ? "" : ",\n") plain(names[i]) "(1)"
    }
    print others
}
