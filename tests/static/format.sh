#!/usr/bin/env bash
# Every C++ source is formatted as .clang-format says.
. "$(dirname "$0")/lib.sh"
command -v clang-format-19 >/dev/null || skip "clang-format-19 is not installed"

mapfile -t files < <(project_files '*.cpp' '*.hpp' '*.h')
((${#files[@]})) || skip "no sources"
if ! found=$(clang-format-19 --dry-run -Werror "${files[@]}" 2>&1); then
    grep -oE '^[^ :]+:[0-9]+:[0-9]+: error' <<<"$found" || printf '%s\n' "$found"
    echo "not formatted; to repair it: clang-format-19 -i FILE..."
    exit 1
fi
echo "${#files[@]} files are formatted"
