"""docs/migrate.md is true: programs go over to dlock one by one, while the others still run."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
SITE = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "python/site")
LONG = 60  # seconds for anything that should come soon

# Adds one to a number in a file, slowly enough that two at once lose an addition. The pause is for programs
# that poll: if dlock's programs wait for the lock at all times, it is never free for them.
ADD = """
import sys, time, pathlib, signal
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
def add(path):
    value = int(path.read_text())
    time.sleep(0.003)
    path.write_text(str(value + 1))
    return 1
def work(locked):
    done, path = 0, pathlib.Path(sys.argv[2])
    print("begins", flush=True)
    while not stop:
        with locked():
            done += add(path)
        time.sleep(0.02)
    print(done, flush=True)
"""
OLD = ADD + """
import redis
client = redis.Redis.from_url(sys.argv[1])
work(lambda: client.lock("sum", timeout=30, sleep=0.01))
"""
NEW = ADD + """
from distributed_lock import DistributedLock
import redis
client = redis.Redis.from_url(sys.argv[1])
work(lambda: DistributedLock(client, lock_name="sum", lock_ttl=30))
"""


class Programs(unittest.TestCase):
    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.number = self.directory / "number"
        self.number.write_text("0")
        self.environment = {**os.environ, "DLOCK_URL": self.server.url, "XDG_CONFIG_HOME": "/nonexistent"}
        self.sum = 0

    def start(self, *command):
        process = subprocess.Popen([str(word) for word in command], env=self.environment, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def python(self, program):
        process = self.start(sys.executable, "-c", program, self.server.url, self.number)
        self.assertEqual(process.stdout.readline(), "begins\n")
        return process

    def end(self, process):
        """Asks it to end, and adds what it did."""
        process.terminate()
        said, _ = process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, 0)
        done = int(said)
        self.sum += done
        return done

    def count(self):
        """The number now. It is read without the lock, so a program may just have emptied the file."""
        return int(eventually(self.number.read_text, LONG))

    def assert_sum(self):
        self.assertEqual(self.count(), self.sum)


class SameKey(Programs):
    """From redis-py, whose key is the name too: nothing else changes."""

    def setUp(self):
        super().setUp()
        if not (SITE / "distributed_lock").is_dir():
            self.skipTest("the Python package is not built here")
        self.environment["PYTHONPATH"] = str(SITE)

    def test_programs_of_redis_py_are_replaced_one_by_one(self):
        programs = [self.python(OLD) for _ in range(4)]
        for place, old in enumerate(programs):
            programs[place] = self.python(NEW)  # the new one begins before the old one ends
            begun = self.count()
            self.assertTrue(eventually(lambda begun=begun: self.count() > begun + 20, LONG))
            self.assertGreater(self.end(old), 0)
        for new in programs:
            self.assertGreater(self.end(new), 0)
        self.assert_sum()

    def test_the_way_back_is_the_same(self):
        new = self.python(NEW)
        old = self.python(OLD)
        self.assertTrue(eventually(lambda: self.count() > 20, LONG))
        self.end(new)
        self.end(old)
        self.assert_sum()


class OtherKey(Programs):
    """From a lock that dlock does not see, as flock: new programs take both, dlock's first."""

    OLD = 'for i in $(seq 20); do flock "$1.lock" "$2" -c "$3" "$1" || exit; done'
    BOTH = 'for i in $(seq 20); do "$0" run sum -- flock "$1.lock" "$2" -c "$3" "$1" || exit; done'
    NEW = 'for i in $(seq 20); do "$0" run sum -- "$2" -c "$3" "$1" || exit; done'
    ADD = "import sys; p = sys.argv[1]; v = int(open(p).read()); import time; time.sleep(0.003); " \
          "open(p, 'w').write(str(v + 1))"

    def round(self, *scripts):
        running = [self.start("sh", "-c", script, DLOCK, self.number, sys.executable, self.ADD)
                   for script in scripts]
        for process in running:
            process.communicate(timeout=LONG * 2)
            self.assertEqual(process.returncode, 0)
        self.sum += 20 * len(scripts)
        self.assert_sum()

    def test_first_some_take_both_and_then_nobody_takes_the_old_one(self):
        self.round(self.OLD, self.OLD, self.BOTH)
        self.round(self.OLD, self.BOTH, self.BOTH)
        self.round(self.BOTH, self.BOTH, self.NEW)
        self.round(self.BOTH, self.NEW, self.NEW)


if __name__ == "__main__":
    unittest.main()
