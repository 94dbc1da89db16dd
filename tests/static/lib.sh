# Shared by the static checks: sourced, not run.
set -euo pipefail
cd "$DLOCK_SOURCE_DIR"

skip() {
    echo "skipped: $*"
    exit 77
}

# The project's files that match the given git patterns, one a line; without git all files do
# that are not built or fetched.
project_files() {
    if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
        git -c safe.directory='*' ls-files -- "$@" | while IFS= read -r file; do
            [[ ! -f $file ]] || printf '%s\n' "$file"
        done
    else
        local pattern tests=()
        for pattern in "$@"; do
            tests+=(-o -path "./${pattern//\*\*/\*}")
        done
        find . \( -path ./build -o -path ./.deps -o -path ./.git \) -prune \
            -o -type f \( "${tests[@]:1}" \) -print | sed 's,^\./,,'
    fi
}
