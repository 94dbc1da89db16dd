"""How far apart two cores are. The host of a virtual machine moves its cores about: two that share a cache
pass a line to and fro in 50 ns, others in 310 ns. A round trip to the server takes a third longer then."""

import subprocess
import time

import placement

PATIENCE = 10  # seconds to wait for near cores before one run
IN_ALL = 240   # ... and before all runs together
CALIBRATION = 2  # seconds in which they are looked at first


def between_cores(worker):
    """The nanoseconds of a round trip between the cores of the server and of the workers."""
    cores = (placement.SERVER_CPU, placement.worker_cpu(placement.SPLIT))
    said = subprocess.run([worker, "--distance", *map(str, cores)], check=True, capture_output=True,
                          text=True)
    return float(said.stdout)


class Distance:
    """`measure` says how far apart the cores are now."""

    def __init__(self, measure, clock=time.monotonic):
        self._measure = measure
        self._clock = clock
        self._left = IN_ALL
        self._nearest = float("inf")
        self._until(clock() + CALIBRATION, lambda _: False)

    def _until(self, end, is_enough):
        while True:
            now = self._measure()
            self._nearest = min(self._nearest, now)
            if is_enough(now) or self._clock() >= end:
                return now

    def _is_near(self, distance):
        return distance < 2 * self._nearest

    def is_near(self):
        """Whether they are about as near as they ever were."""
        return self._is_near(self._until(0, lambda _: True))

    def await_near(self):
        """Waits until they are near, but not for ever. Returns whether they are."""
        begin = self._clock()
        now = self._until(begin + min(PATIENCE, self._left), self._is_near)
        self._left -= self._clock() - begin
        return self._is_near(now)

    def in_words(self):
        return f"at best, a cache line went between the two cores and back in {self._nearest:.0f} ns"
