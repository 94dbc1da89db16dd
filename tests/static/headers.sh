#!/usr/bin/env bash
# Each public header compiles on its own, and twice, without a warning; those whose name
# ends in .h as C, too.
. "$(dirname "$0")/lib.sh"
compilers=(g++)
command -v clang++-19 >/dev/null && compilers+=(clang++-19)
launcher=$(command -v ccache || true)

work=$DLOCK_BUILD_DIR/headers-check
mkdir -p "$work"
compile() { # compile COMPILER HEADER
    local unit=$work/$1-${2//\//_}
    printf '#include "%s"\n#include "%s"\n' "$2" "$2" >"$unit.cpp"
    $launcher "$1" -std=c++20 -Wall -Wextra -Wpedantic -Werror -Iinclude -c "$unit.cpp" -o "$unit.o"
}
compile_c() { # compile_c HEADER
    local unit=$work/c-${1//\//_}
    printf '#include "%s"\n#include "%s"\nint nothing;\n' "$1" "$1" >"$unit.c"
    gcc -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -Iinclude -c "$unit.c" -o "$unit.o"
}
export -f compile
export work launcher

project_files 'include/*.hpp' 'include/**/*.hpp' 'include/**/*.h' | sed 's,^include/,,' | sort -u |
    while IFS= read -r header; do
        for compiler in "${compilers[@]}"; do printf '%s %s\n' "$compiler" "$header"; done
    done | xargs -r -P 2 -L 1 bash -c 'compile "$@"' compile

project_files 'include/**/*.h' | sort -u | while IFS= read -r header; do
    compile_c "${header#include/}"
done
