"""The drivers in Python and Node.js do what the line protocol in bench/driver.py says."""

import array
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
PYTHON = SOURCE / ".deps/python/bin/python"  # which has redis-py
MODULES = SOURCE / ".deps/node/node_modules"
PEERS = SOURCE / "bench/peers"
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests/support")]

from redis_server import RedisServer  # noqa: E402
from samples import FIELDS  # noqa: E402

CACHE = (BUILD / "CMakeCache.txt").read_text()
SANITIZED = re.search(r"^DLOCK_SANITIZE:\w+=.+$", CACHE, re.MULTILINE)
WORKERS, EACH = 2, 3


class Drivers(unittest.TestCase):
    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def assert_takes_turns(self, subject, *command):
        """By TCP and by the unix socket: every worker takes a lock of its own so many times."""
        for url in (self.server.url, self.server.unix_url):
            file = self.directory / "samples"
            said = (f"start {subject} own name {WORKERS} {EACH} 0 30000 {file}\n"
                    f"go 0 {2**62}\n")
            done = subprocess.run([*map(str, command), url], input=said, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=60,
                                  env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1",
                                       "DLOCK_LIBRARY": str(BUILD / "libdlock.so.1")})
            self.assertEqual(done.stdout, f"ready\narmed\ndone {WORKERS * EACH} 0\n", done.stderr)
            values = array.array("q", file.read_bytes())
            samples = [values[i:i + FIELDS] for i in range(0, len(values), FIELDS)]
            self.assertEqual(sorted(sample[0] for sample in samples), [0] * EACH + [1] * EACH)
            for _, *times in samples:
                self.assertEqual(times, sorted(times))

    @unittest.skipUnless(PYTHON.exists(), "redis-py is not installed")
    def test_python_with_threads(self):
        self.assert_takes_turns("redis-py", PYTHON, PEERS / "python/driver.py")

    @unittest.skipUnless(PYTHON.exists(), "redis-py is not installed")
    def test_python_with_tasks(self):
        self.assert_takes_turns("redis-py-asyncio", PYTHON, PEERS / "python/driver.py")

    @unittest.skipUnless(shutil.which("node") and MODULES.is_dir(), "Node.js is not installed")
    @unittest.skipIf(SANITIZED, "a sanitized library cannot be loaded into Node.js")
    def test_node(self):
        modules = self.directory / "node_modules"
        shutil.copytree(SOURCE / "node", modules / "dlock")
        (modules / "koffi").symlink_to(MODULES / "koffi")
        shutil.copy(PEERS / "node/driver.js", self.directory)
        self.assert_takes_turns("dlock-node", "node", self.directory / "driver.js")


if __name__ == "__main__":
    unittest.main()
