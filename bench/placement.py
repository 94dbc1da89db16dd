"""Where processes run: pinned, since unpinned ones flip between sharing a core and not.

The same as `taskset -a -p`: all threads of a process.
"""

import os

ALLOWED = sorted(os.sched_getaffinity(0))
SERVER_CPU = ALLOWED[0]

# The first is the one whose metrics have plain names.
SPLIT = "split"    # the server on a core of its own, all workers on another
SHARED = "shared"  # the server and all workers on one core
PLACEMENTS = (SPLIT, SHARED) if len(ALLOWED) > 1 else (SHARED,)
PRIMARY = PLACEMENTS[0]


def worker_cpu(placement):
    return ALLOWED[1] if placement == SPLIT else SERVER_CPU


def pin(pid, cpu):
    """Pins all threads; new ones inherit it from those that start them."""
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(task), {cpu})
        except ProcessLookupError:
            pass


def metric_name(metric, placement):
    """`p50_us`, or in the other placement `shared_p50_us`."""
    return metric if placement == PRIMARY else f"{placement}_{metric}"
