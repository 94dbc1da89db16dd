"""Where processes run: pinned, since unpinned ones flip between sharing a core and not.

The same as `taskset -a -p`: all threads of a process.
"""

import contextlib
import os
import pathlib

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
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), {cpu})


def metric_name(metric, placement):
    """`p50_us`, or in the other placement `shared_p50_us`."""
    return metric if placement == PRIMARY else f"{placement}_{metric}"


class Watch:
    """Sees on which cores the threads of some processes run from its construction on. A thread that
    ends before it is looked at was where the one that started it is."""

    def __init__(self, pids):
        self._pids = list(pids)
        self._turns = dict(self._turns_of_threads())

    def cores(self):
        """Those on which a thread ran last, and those on which one may run."""
        cores = set()
        for task, turns in self._turns_of_threads():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                cores |= os.sched_getaffinity(int(task.name))
                # The core of a thread that has not run since is what it was before it was pinned.
                if turns != self._turns.get(task):
                    fields = (task / "stat").read_text().rpartition(")")[2].split()
                    cores.add(int(fields[36]))
        return cores

    def _turns_of_threads(self):
        """How often each thread was given a core."""
        for pid in self._pids:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    yield task, (task / "schedstat").read_text().split()[2]
