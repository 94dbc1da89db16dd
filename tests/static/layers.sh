#!/usr/bin/env bash
# Includes point only downwards, in the order of src/rooms.txt. Public headers include only the
# standard library and each other.
. "$(dirname "$0")/lib.sh"

failed=0
complain() {
    printf '%s\n' "$*"
    failed=1
}

# The floor of each room, counted from the top.
declare -A floor
floors=0
while read -ra rooms; do
    [[ ${#rooms[@]} -gt 0 && ${rooms[0]} != '#'* ]] || continue
    floors=$((floors + 1))
    for room in "${rooms[@]}"; do floor[$room]=$floors; done
done <src/rooms.txt

while IFS=: read -r file line include; do
    room=${file#src/} room=${room%/*}
    to=${include#*\"} to=${to%%\"*} to=${to%/*}
    [[ $to != dlock && $to != "$room" ]] || continue
    if [[ -z ${floor[$to]:-} ]]; then
        complain "$file:$line: src/$to is no room of src/rooms.txt"
    elif ((${floor[$to]} <= ${floor[$room]:-$floors})); then
        complain "$file:$line: src/$room must not look up to src/$to"
    fi
done < <(grep -rnE --include='*.[ch]pp' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src)

while IFS= read -r room; do
    [[ -n ${floor[$room]:-} ]] || complain "src/$room is no room of src/rooms.txt"
done < <(find src -name '*.[ch]pp' -printf '%P\n' | sed -E 's,/?[^/]*$,,' | sort -u)

# refuse DIRECTORY REGEX WHY: no file there may have an #include of what REGEX matches.
refuse() {
    local found
    found=$(grep -rnE --include='*.[ch]pp' --include='*.h' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" "$1" 2>/dev/null) || return 0
    complain "$3:"$'\n'"$found"
}

refuse src/cli 'dlock/dlock\.h>' 'src/cli is written in C++'
refuse src/c '(core|redis|local_server|script)/' 'src/c stands on the handles'
refuse src/core 'sys/socket|netinet/|poll\.h|unistd|thread>|mutex>|condition_variable>' \
    'src/core has no sockets and no threads'
all_rooms=$(IFS='|' && printf '%s' "${!floor[*]}")
for dir in examples python/native; do
    refuse "$dir" "($all_rooms)/" "$dir uses only public headers"
done

# Public headers: <name> without a directory (or a POSIX one) and "dlock/...".
# dlock/asio.hpp is for users of Asio, and included by nobody else.
others=$(grep -rnE --exclude=asio.hpp '^[[:space:]]*#[[:space:]]*include' include 2>/dev/null |
    grep -vE '#[[:space:]]*include[[:space:]]*(<[a-z_0-9.]+>|<sys/[a-z_]+\.h>|"dlock/[a-z_/]+\.(hpp|h)")' || true)
if [[ -n $others ]]; then
    printf 'public headers include only the standard library and dlock/:\n%s\n' "$others"
    failed=1
fi

clocks=$(grep -rnE --include='*.[ch]pp' '(steady|system|high_resolution)_clock::now|clock_gettime' src/core 2>/dev/null || true)
if [[ -n $clocks ]]; then
    printf 'src/core is told the time, it does not read a clock:\n%s\n' "$clocks"
    failed=1
fi
exit $failed
