"""Programs written for the package distributed-lock 1.0 run unchanged on ours, and what they pass is
what dlock shows."""

import datetime
import os
import pathlib
import subprocess
import sys
import unittest
import warnings

from package_case import LONG, PackageCase, eventually

from distributed_lock import AsyncDistributedLock, Client, DistributedLock, UsageError, inspect_lock

PACKAGE = "distributed-lock==1.0"
PLACE = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "python/predecessor")
HEAD = """
import os, sys, threading
from redis import Redis
from distributed_lock import DistributedLock

redis = Redis.from_url(os.environ["DLOCK_URL"])
"""
PROGRAMS = {
    "by position": """
lock = DistributedLock(redis, "job", "me", 5, 0.01)
with lock:
    print(redis.exists("job"), redis.ttl("job") <= 5)
print(redis.exists("job"), lock.redis is redis, lock.lock_name, lock.owner_id, lock.lock_ttl, lock.poll_time)
""",
    "by keyword": """
lock = DistributedLock(redis_client=redis, lock_name="job", owner_id="me", lock_ttl=5, poll_time=0.01)
with lock:
    print(redis.exists("job"))
print(lock.redis is redis, lock.lock_name, lock.owner_id, lock.lock_ttl, lock.poll_time)
""",
    "with no more than the name": """
one, other = DistributedLock(redis, "job"), DistributedLock(redis, lock_name="job")
with one:
    print("one")
with other:
    print("other")
print(isinstance(one.owner_id, str), one.owner_id != other.owner_id, one.poll_time)
""",
    "owners that are numbers, bytes and empty": """
for owner in (os.getpid(), 1.5, b"me", ""):
    lock = DistributedLock(redis, "job", owner)
    with lock:
        print(redis.exists("job"), lock.owner_id == owner)
""",
    "from its module": """
from distributed_lock.distributed_lock import DistributedLock as Same
with Same(redis, "job", lock_ttl=5):
    print(Same is DistributedLock)
""",
    "a body that raises": """
lock = DistributedLock(redis, "job", lock_ttl=60)
try:
    with lock:
        raise KeyError("mine")
except KeyError as error:
    print(repr(error), redis.exists("job"))
with lock:
    print("again")
""",
    "a class of its own": """
class Lock(DistributedLock):
    def __init__(self, name, **options):
        super().__init__(redis, "locks:" + name, **options)
        self.extra = 1

with Lock("job", lock_ttl=5) as nothing:
    print(redis.exists("locks:job"))
print(Lock("job").extra)
""",
    "threads that take turns": """
def work():
    for _ in range(5):
        with DistributedLock(redis, "job", poll_time=0.001):
            count = int(redis.get("count") or 0)
            redis.set("count", count + 1)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(redis.get("count"))
""",
}


class Programs(PackageCase):
    @classmethod
    def setUpClass(cls):
        if not (PLACE / "distributed_lock").is_dir():
            done = subprocess.run([sys.executable, "-m", "pip", "-q", "--disable-pip-version-check",
                                   "install", "--retries", "1", "--no-deps", "--target", PLACE, PACKAGE],
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode != 0:
                raise unittest.SkipTest(f"{PACKAGE} cannot be had: {done.stderr}")

    def output(self, program, place):
        self.redis.flushall()
        done = subprocess.run([sys.executable, "-c", HEAD + program], text=True, timeout=LONG,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "DLOCK_URL": self.server.url, "PYTHONPATH": str(place)})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_they_say_the_same_on_both(self):
        for name, program in PROGRAMS.items():
            with self.subTest(name):
                expected = self.output(program, PLACE)
                self.assertTrue(expected)
                self.assertEqual(self.output(program, os.environ["PYTHONPATH"]), expected)


class Arguments(PackageCase):
    def test_the_owner_is_the_label_that_others_see(self):
        for owner, label in (("me", "me"), (b"worker 7", "worker 7"), (7, "7")):
            with self.subTest(owner), DistributedLock(self.redis, "job", owner, 5):
                self.assertEqual(inspect_lock(self.redis, "job").holders[0].party.label, label)

    def test_a_client_has_a_label_too(self):
        client = Client(self.redis, label="night shift")
        with DistributedLock(client, "job"):
            self.assertEqual(inspect_lock(self.redis, "job").holders[0].party.label, "night shift")
        with self.assertRaisesRegex(UsageError, "label"):
            DistributedLock(client, "job", "me")

    def test_locks_of_one_owner_share_a_connection(self):
        def connections():
            return len(self.redis.client_list())

        locks = [DistributedLock(self.redis, f"job {i}", "me") for i in range(3)]
        with locks[0]:
            before = connections()
            with locks[1], locks[2]:
                self.assertEqual(connections(), before)

    def test_connections_of_owners_that_are_not_used_any_more_are_closed(self):
        before = len(self.redis.client_list())
        for i in range(40):
            with DistributedLock(self.redis, "job", f"owner {i}"):
                pass
        self.assertTrue(eventually(lambda: len(self.redis.client_list()) <= before + 20))

    def test_a_number_that_may_be_meant_as_the_ttl_is_told(self):
        with self.assertWarnsRegex(UserWarning, "lock_ttl=30") as told:
            lock = DistributedLock(self.redis, "job", 30)
        self.assertEqual(told.filename, __file__)
        self.assertEqual((lock.owner_id, lock.lock_ttl), (30, 30.0))
        with self.assertRaisesRegex(UsageError, "lock_ttl"):
            DistributedLock(self.redis, "job", datetime.timedelta(seconds=30))

    def test_a_poll_time_is_told_and_sets_nothing(self):
        for kind in (DistributedLock, AsyncDistributedLock):
            with self.assertWarnsRegex(UserWarning, "poll_time is not needed") as told:
                kind(self.redis, "job", "me", 5, 2)
            self.assertEqual(told.filename, __file__)

    def test_calls_with_names_stay_silent(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for options in ({"client": self.redis}, {"redis_client": self.redis}):
                DistributedLock(lock_name="job", lock_ttl=5, **options)
        with self.assertRaisesRegex(TypeError, "two names"):
            DistributedLock(self.redis, "job", client=self.redis)

    def test_what_was_passed_cannot_be_set_later(self):
        lock = DistributedLock(self.redis, "job", lock_ttl=5)
        for name in ("redis", "lock_name", "owner_id", "lock_ttl", "poll_time"):
            with self.subTest(name), self.assertRaises(AttributeError):
                setattr(lock, name, 1)


if __name__ == "__main__":
    unittest.main()
