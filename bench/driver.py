"""Drivers: the processes that take locks, and the line protocol by which they are told to.

    runner                                                    driver
                                                              ready
    start SUBJECT MODE NAME WORKERS COUNT HOLD_MS TTL_MS FILE
                                                              armed
    go BEGIN END
                                                              done ACQUISITIONS ERRORS

MODE is `one` (all workers take the lock NAME) or `own` (each has one of its own). Each worker takes
and releases it until END, or COUNT times if that is not 0, and holds it for HOLD_MS. `armed` means
connected, scripts loaded. BEGIN and END are nanoseconds of CLOCK_MONOTONIC, which all processes of
a machine share. FILE gets five 64-bit integers, little-endian, for each acquisition: the worker's
number, and when it asked, had acquired, began to release, had released. After `done` the driver can
be started again; it ends with its input.
"""

import ctypes
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time

import placement

ARM_LIMIT = 300  # seconds; a hundred thousand leases, or a Java machine on a busy core
_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def cpu_ns_of(pid):
    """CPU time of all threads; this is how clock_getcpuclockid() makes the clock's id."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class DriverFailed(RuntimeError):
    pass


class Driver:
    """One process that runs subjects."""

    def __init__(self, command, server, directory, cpu):
        self._errors = tempfile.TemporaryFile()
        environment = {**os.environ, "BENCH_SERVER_CPU": str(placement.SERVER_CPU)}
        self._process = subprocess.Popen(
            [*map(str, command), server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, env=environment, preexec_fn=_die_with_parent, bufsize=0)
        self.pid = self._process.pid
        self._name = pathlib.Path(command[0]).name
        placement.pin(self.pid, cpu)
        self.file = pathlib.Path(directory, f"samples-{self.pid}")
        self._input = b""

    def pin(self, cpu):
        placement.pin(self.pid, cpu)

    def expect(self, word, limit=ARM_LIMIT):
        """Waits for a line that begins with `word`; returns its other words."""
        end = time.monotonic() + limit
        while b"\n" not in self._input:
            readable, _, _ = select.select([self._process.stdout], [], [],
                                           max(0, end - time.monotonic()))
            data = os.read(self._process.stdout.fileno(), 4096) if readable else b""
            if not data:
                why = "ended" if readable else f"says nothing for {limit:.0f} s"
                raise DriverFailed(f"{self._name} {why}, instead of '{word}'\n"
                                   + self.stderr())
            self._input += data
        line, _, self._input = self._input.partition(b"\n")
        words = line.decode().split()
        if not words or words[0] != word:
            raise DriverFailed(f"{self._name}: '{line.decode()}' instead of '{word}'")
        return words[1:]

    def say(self, *words):
        self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def start(self, subject, mode, name, workers, count=0, hold_ms=0, ttl_ms=30000):
        self.say("start", subject, mode, name, workers, count, hold_ms, ttl_ms, self.file)

    def signal(self, number):
        os.kill(self.pid, number)

    def cpu_ns(self):
        return cpu_ns_of(self.pid)

    def resident_bytes(self):
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stderr(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:]

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()
        self.file.unlink(missing_ok=True)


class Fleet:
    """So many processes of one driver. They stand still while others are measured."""

    def __init__(self, command, size, server, directory, cpu):
        self.drivers = []
        try:
            for _ in range(size):
                self.drivers.append(Driver(command, server, directory, cpu))
            for driver in self.drivers:
                driver.expect("ready")
        except BaseException:
            self.close()
            raise

    def pin(self, cpu):
        for driver in self.drivers:
            driver.pin(cpu)

    def start(self, subject, mode, name, workers, **options):
        """`workers` in each process."""
        for driver in self.drivers:
            driver.start(subject, mode, name, workers, **options)
        for driver in self.drivers:
            driver.expect("armed")

    def go(self, seconds, lead=0.05):
        """Lets all begin at one instant; returns the window and the counts of errors."""
        begin = time.monotonic_ns() + int((lead + 0.002 * len(self.drivers)) * 1e9)
        end = begin + int(seconds * 1e9)
        for driver in self.drivers:
            driver.say("go", begin, end)
        return begin, end

    def done(self, limit):
        """Waits for all; returns acquisitions and errors together."""
        results = [driver.expect("done", limit) for driver in self.drivers]
        return (sum(int(acquired) for acquired, _ in results),
                sum(int(errors) for _, errors in results))

    def cpu_ns(self):
        return sum(driver.cpu_ns() for driver in self.drivers)

    def close(self):
        for driver in self.drivers:
            driver.close()
        self.drivers = []
