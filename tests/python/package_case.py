"""What tests of the Python package share: a server, and programs that run beside the test."""

import contextlib
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests/support"))

from eventually import eventually  # noqa: E402, F401
from redis_server import RedisServer  # noqa: E402

import redis  # noqa: E402

LONG = 60  # seconds for anything that should come soon


class PackageCase(unittest.TestCase):
    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        self.redis = redis.Redis(port=self.server.port)
        self.addCleanup(self.redis.close)

    def start(self, program, *arguments):
        """Runs a Python program that reads its server's URL from $DLOCK_URL."""
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE,
                                   env={**os.environ, "DLOCK_URL": self.server.url})
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def assert_ends(self, process, status=0):
        out, err = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, status, err)
        return out, err

    @contextlib.contextmanager
    def held_elsewhere(self, name):
        """While another process holds the lock."""
        process = self.start("import sys; from distributed_lock import DistributedLock\n"
                             "with DistributedLock(lock_name=sys.argv[1]):\n"
                             "    print('held', flush=True); sys.stdin.read()", name)
        self.assertEqual(process.stdout.readline(), "held\n")
        yield
        self.assert_ends(process)

    def waiters(self, name):
        return self.redis.zcard("dlock1:qw:{%s}" % name)
