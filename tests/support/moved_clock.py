"""The wall clock of a server under test, moved against that of the machine."""

import mmap
import os
import struct
import tempfile


class MovedClock:
    """Servers started with `environment` see the real-time clock with an offset, at first 0."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="dlock-test-")
        self._file.write(bytes(8))
        self._file.flush()
        self._memory = mmap.mmap(self._file.fileno(), 8)
        shim = os.path.join(os.environ["DLOCK_BUILD_DIR"], "tests", "libdlock_clock_shim.so")
        self.environment = {"LD_PRELOAD": shim, "DLOCK_CLOCK_OFFSET_FILE": self._file.name}

    def step(self, seconds):
        """At once, by so much more; back, if negative."""
        offset, = struct.unpack("=q", self._memory[:8])
        self._memory[:8] = struct.pack("=q", offset + int(seconds * 1_000_000))

    def close(self):
        self._memory.close()
        self._file.close()
