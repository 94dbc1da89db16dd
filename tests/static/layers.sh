#!/usr/bin/env bash
# Arrows go only downwards: cli, c -> client -> redis -> runtime, core. Public headers include only
# the standard library and each other.
. "$(dirname "$0")/lib.sh"

failed=0
# refuse DIRECTORY REGEX WHY: no file there may have an #include of what REGEX matches.
refuse() {
    local found
    found=$(grep -rnE --include='*.[ch]pp' --include='*.h' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($2)" "$1" 2>/dev/null) || return 0
    printf '%s:\n%s\n' "$3" "$found"
    failed=1
}

refuse src/core '(runtime|redis|client|cli|c|script)/' 'src/core includes only src/core'
refuse src/runtime '(core|redis|client|cli|c|script)/' 'src/runtime stands on the operating system alone'
refuse src/redis '(client|cli|c)/' 'src/redis must not look up to client, cli or c'
refuse src/client '(cli|c)/' 'src/client must not look up to cli or c'
refuse src/cli '(c/|dlock/dlock\.h>)' 'src/cli is written in C++'
refuse src/c '(core|redis|cli|script)/' 'src/c stands on the client'
refuse src/core 'sys/socket|netinet/|poll\.h|unistd|thread>|mutex>|condition_variable>' \
    'src/core has no sockets and no threads'
for dir in examples python/native; do
    refuse "$dir" '(runtime|core|redis|client|cli|script)/' "$dir uses only public headers"
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
