"""redis-py's Lock and dlock exclude each other, in both directions: they use the same key."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

import redis  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
LONG = 60  # seconds for anything that should come soon

# Adds one to a number in a file, slowly enough that two at once lose an addition.
ADD_ONE = """
import sys, time
path = sys.argv[1]
value = int(open(path).read())
time.sleep(0.003)
open(path, "w").write(str(value + 1))
"""

# The same under redis-py's lock: URL, name, file, how often.
REDIS_PY_WORKER = """
import sys, redis, time
client = redis.Redis.from_url(sys.argv[1])
for _ in range(int(sys.argv[4])):
    with client.lock(sys.argv[2], timeout=30, sleep=0.02):
        value = int(open(sys.argv[3]).read())
        time.sleep(0.003)
        open(sys.argv[3], "w").write(str(value + 1))
"""


class RedisPy(unittest.TestCase):
    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        self.client = redis.Redis(port=self.server.port)
        self.addCleanup(self.client.close)
        self.environment = {**os.environ, "DLOCK_URL": self.server.url}
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.started:
            process.kill()
            process.wait()

    def start(self, *arguments):
        process = subprocess.Popen(arguments, env=self.environment, stdin=subprocess.DEVNULL)
        self.started.append(process)
        return process

    def dlock(self, *arguments):
        return subprocess.run([DLOCK, "run", *arguments], env=self.environment, timeout=LONG,
                              stdin=subprocess.DEVNULL).returncode

    def waiters(self, name):
        return self.client.zcard("dlock1:qw:{%s}" % name)

    def test_no_addition_is_lost_when_both_add_under_one_lock(self):
        with tempfile.NamedTemporaryFile("w", suffix=".number") as number:
            number.write("0")
            number.flush()
            times = 12
            workers = [self.start(sys.executable, "-c", REDIS_PY_WORKER, self.server.url, "sum",
                                  number.name, str(times)) for _ in range(4)]
            loop = f'for i in $(seq {times}); do "$0" run sum -- "$1" -c "$2" "$3" || exit; done'
            workers += [self.start("sh", "-c", loop, DLOCK, sys.executable, ADD_ONE, number.name)
                        for _ in range(4)]
            self.assertEqual([worker.wait(timeout=240) for worker in workers], [0] * 8)
            self.assertEqual(pathlib.Path(number.name).read_text(), str(8 * times))

    def test_a_waiter_has_the_lock_after_redis_py_releases_it(self):
        lock = self.client.lock("job", timeout=LONG)
        self.assertTrue(lock.acquire())
        waiter = self.start(DLOCK, "run", "job", "--", "true")
        self.assertTrue(eventually(lambda: self.waiters("job")))
        self.assertIsNone(waiter.poll())
        lock.release()
        self.assertEqual(waiter.wait(timeout=LONG), 0)

    def test_a_waiter_has_the_lock_when_the_lease_of_a_dead_redis_py_ends(self):
        self.assertTrue(self.client.lock("job", timeout=0.5).acquire())
        self.assertEqual(self.dlock("--wait", str(LONG), "job", "--", "true"), 0)

    def test_redis_py_waits_for_dlock(self):
        with tempfile.TemporaryDirectory() as directory:
            gate = pathlib.Path(directory, "gate")
            os.mkfifo(gate)
            holder = self.start(DLOCK, "run", "job", "--", "cat", str(gate))
            self.assertTrue(eventually(lambda: self.client.exists("job")))
            lock = self.client.lock("job", timeout=LONG, sleep=0.01)
            self.assertFalse(lock.acquire(blocking_timeout=0.2))
            gate.write_text("done")
            self.assertTrue(lock.acquire(blocking_timeout=LONG))
            self.assertEqual(holder.wait(timeout=LONG), 0)
            self.assertEqual(self.dlock("--nonblock", "job", "--", "true"), 75)
            lock.release()
            self.assertEqual(self.dlock("--nonblock", "job", "--", "true"), 0)

    def test_redis_py_can_neither_release_nor_extend_what_dlock_holds(self):
        late = self.client.lock("job", timeout=0.1)
        self.assertTrue(late.acquire())
        self.assertTrue(eventually(lambda: not self.client.exists("job")))
        with tempfile.TemporaryDirectory() as directory:
            gate = pathlib.Path(directory, "gate")
            os.mkfifo(gate)
            holder = self.start(DLOCK, "run", "job", "--", "cat", str(gate))
            self.assertTrue(eventually(lambda: self.client.exists("job")))
            value = self.client.get("job")
            self.assertRaises(redis.exceptions.LockNotOwnedError, late.release)
            self.assertEqual(self.client.get("job"), value)
            gate.write_text("done")
            self.assertEqual(holder.wait(timeout=LONG), 0)

    def test_redis_py_gets_its_turn_beside_a_queue_that_is_never_empty(self):
        lock = self.client.lock("busy", timeout=LONG, sleep=0.05)
        self.assertTrue(lock.acquire())
        loop = 'while "$0" run busy -- sleep 0.02 2>/dev/null; do :; done'
        for _ in range(6):
            self.start("sh", "-c", loop, DLOCK)
        self.assertTrue(eventually(lambda: self.waiters("busy") >= 6))
        for _ in range(3):
            lock.release()
            # Its turn ends with the hold; the queue goes on meanwhile.
            self.assertTrue(lock.acquire(blocking_timeout=LONG), "redis-py starves")
            self.assertTrue(eventually(lambda: self.waiters("busy") >= 2))
        self.end_all()

    def test_a_key_without_expiry_is_waited_for_and_left_alone(self):
        self.client.set("job", "somebody")
        self.assertEqual(self.dlock("--wait", "300ms", "job", "--", "true"), 75)
        self.assertEqual(self.client.get("job"), b"somebody")
        waiter = self.start(DLOCK, "run", "job", "--", "true")
        self.assertTrue(eventually(lambda: self.waiters("job")))
        self.client.delete("job")
        self.assertEqual(waiter.wait(timeout=LONG), 0)

    def test_nothing_is_left_but_the_fence_counter(self):
        self.assertTrue(self.client.lock("job", timeout=0.2).acquire())
        self.assertEqual(self.dlock("job", "--", "true"), 0)
        self.assertTrue(eventually(lambda: self.client.keys("*") == [b"dlock1:fence"], 30),
                        self.client.keys("*"))


if __name__ == "__main__":
    unittest.main()
