#!/bin/sh
# Writes the manual pages of the command DLOCK, version VERSION, of the day DATE, into DIRECTORY.
set -eu

dlock=$1 version=$2 date=$3 directory=$4
pages=$(dirname "$0")/man_page.awk

mkdir -p "$directory"
for command in "" $("$dlock" help | sed -n 's/^  dlock \([a-z]*\) .*/\1/p' | sort -u); do
    {
        "$dlock" help
        [ -z "$command" ] || "$dlock" help "$command"
    } | awk -v version="$version" -v date="$date" -f "$pages" >"$directory/dlock${command:+-$command}.1"
done
