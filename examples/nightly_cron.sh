#!/bin/sh
# A report that the cron of many hosts starts at midnight, by clocks that differ: one of them writes
# it. In the crontab of each:
#
#   0 0 * * *  DLOCK_URL=redis://locks.example.com nightly_cron.sh /srv/reports
set -eu
directory=$1

# Once in a period: comes back here, on one host, with DLOCK_FENCE set. Five minutes are more than
# the clocks differ, and less than a day; so long the others are kept out, however short this is.
[ -n "${DLOCK_FENCE-}" ] ||
    exec dlock run --at-least 5m --at-most 1h nightly_report -- "$0" "$@"

# If the lock is lost, dlock ends this before another host can begin.
report=$directory/$(date -u +%F)
df -P >"$report.$DLOCK_FENCE" # a file of our own ...
mv "$report.$DLOCK_FENCE" "$report"
echo "written: $report"
