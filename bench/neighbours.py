"""How much of the cores other processes used while runs were measured: on a busy machine, figures are
worth little."""

import contextlib
import os
import pathlib
import time

from placement import ALLOWED

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
BUSY = (1, 2, 3, 8)  # of a line in /proc/stat: user, nice, system, and what the host took


def busy_ns():
    """How long our cores worked for anybody, since the start of the machine."""
    lines = (line.split() for line in pathlib.Path("/proc/stat").read_text().splitlines())
    cores = {f"cpu{number}" for number in ALLOWED}
    return TICK_NS * sum(int(line[field]) for line in lines if line[0] in cores for field in BUSY)


class Neighbours:
    def __init__(self):
        self._others = 0
        self._all = 0

    @contextlib.contextmanager
    def watched(self, own_ns):
        """`own_ns` says how much CPU time the benchmark's own processes have used by now."""
        begin, busy, own = time.monotonic_ns(), busy_ns(), own_ns()
        yield
        self._others += busy_ns() - busy - (own_ns() - own)
        self._all += (time.monotonic_ns() - begin) * len(ALLOWED)

    def percent(self):
        """Of all that the cores could do in the watched time."""
        return round(100 * max(0, self._others) / max(1, self._all), 1)
