#!/usr/bin/env bash
# No file names the place where this working copy lies.
. "$(dirname "$0")/lib.sh"

escape() { printf '%s' "$1" | sed 's/[][\.*^$+?(){}|/]/\\&/g'; }
root=$PWD
places="$(escape "$root")"
parent=$(dirname "$root")
case $parent in
    / | /home | /root | /opt | /srv | /tmp | /usr | /usr/src | /usr/local/src | /var/tmp | /mnt) ;; # names anyone may write
    *) places+="|$(escape "$parent")" ;;
esac

mapfile -t files < <(project_files '*')
if found=$(grep -nIE "(^|[^A-Za-z0-9_.-])($places)(/|[^A-Za-z0-9_./-]|\$)" "${files[@]}" /dev/null); then
    printf 'a path of this machine:\n%s\n' "$found"
    exit 1
fi
echo "no such path in ${#files[@]} files"
