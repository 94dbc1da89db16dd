"""A clock of a process under test, moved against that of the machine."""

import mmap
import os
import struct
import tempfile


class MovedClock:
    """Processes started with `environment` see a clock with an offset, at first 0. `variable` says
    which clock, see clock_shim.c; without it, the real-time clock."""

    def __init__(self, variable="DLOCK_CLOCK_OFFSET_FILE"):
        self._file = tempfile.NamedTemporaryFile(prefix="dlock-test-")
        self._file.write(bytes(8))
        self._file.flush()
        self._memory = mmap.mmap(self._file.fileno(), 8)
        shim = os.path.join(os.environ["DLOCK_BUILD_DIR"], "tests", "libdlock_clock_shim.so")
        self.environment = {"LD_PRELOAD": shim, variable: self._file.name}

    def step(self, seconds):
        """Moves the clock at once; back, if `seconds` is negative."""
        offset, = struct.unpack("=q", self._memory[:8])
        self._memory[:8] = struct.pack("=q", offset + int(seconds * 1_000_000))

    def close(self):
        self._memory.close()
        self._file.close()
