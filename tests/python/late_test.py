"""The error of a wait that ran out: it knows the place in the queue, and asks who holds the lock."""

import asyncio
import os
import pickle
import threading
import unittest

from package_case import LONG, PackageCase, eventually  # isort: split

from distributed_lock import (
    AsyncDistributedLock,
    DistributedLock,
    Election,
    LockBusy,
    LockTimeout,
    Mutex,
    UsageError,
    acquire_all,
)
from distributed_lock.testing import Server


class Late(PackageCase):
    def error_of(self, function, *arguments, **options):
        with self.assertRaises(LockTimeout) as caught:
            function(*arguments, **options)
        return caught.exception

    def in_thread(self, function):
        errors = []
        thread = threading.Thread(target=lambda: errors.append(self.error_of(function)))
        thread.start()
        thread.join(LONG)
        return errors[0]

    def enter(self, lock):
        with lock:
            pass

    def test_it_has_the_place_and_names_the_holder(self):
        with self.held_elsewhere("job"):
            first = self.start("from distributed_lock import Mutex; Mutex(lock_name='job').acquire()")
            self.assertTrue(eventually(lambda: self.waiters("job") == 1))
            mutex = Mutex(self.redis, "job", wait=0.2)
            waits = [mutex.acquire, lambda: self.enter(mutex),
                     lambda: self.enter(DistributedLock(self.redis, "job", wait=0.2))]
            errors = [wait(each) for each in waits for wait in (self.error_of, self.in_thread)]
            errors.append(self.error_of(asyncio.run, self.acquire_async()))
            self.assertEqual(errors[0].place, 2)
            for error in errors:
                self.assertGreaterEqual(error.place, 2)  # the wait before may still be in the queue
                self.assertIn(f'"job" within 0.2 s, number {error.place} in its queue', str(error))
            info = errors[0].inspect()
            self.assertEqual([one.party.pid for one in info.waiters][0], first.pid)
            self.assertEqual(errors[0].describe().partition("; ")[0], str(errors[0]))
            self.assertRegex(errors[0].describe(), r'; "job": held by .*:\d+ python.* for .*; \d waiting')

    async def acquire_async(self):
        async with AsyncDistributedLock(self.redis, "job", wait=0.2):
            pass

    def test_whoever_only_tries_is_in_no_queue_but_may_ask(self):
        with Mutex(self.redis, "job", prefix="p:") as lease:
            error = self.error_of(Mutex(self.redis, "job", prefix="p:").acquire, 0)
            self.assertEqual((type(error), error.place), (LockBusy, 0))
            self.assertEqual((error.inspect().fence, error.inspect().holder.pid),
                             (lease.fence, os.getpid()))

            async def ask():
                return await error.inspect_async(), await error.describe_async()

            info, text = asyncio.run(ask())
            self.assertEqual(info.fence, lease.fence)
            self.assertIn(f"(fence {lease.fence}); 0 waiting", text)
        self.assertIn('"job": free', error.describe())

    def test_elections_know_their_lock_and_several_locks_do_not(self):
        with Election(self.redis, "web").campaign():
            error = self.error_of(Election(self.redis, "web").campaign, timeout=0.01)
            self.assertEqual(error.inspect().holder.pid, os.getpid())
            error = self.error_of(acquire_all, self.redis, ["web", "job"], timeout=0.01)
        self.assertRaisesRegex(UsageError, "inspect_lock", error.inspect)
        self.assertEqual(error.describe(), str(error))

    def test_it_can_be_sent_to_another_process_which_cannot_ask(self):
        with Mutex(self.redis, "job"):
            error = self.error_of(Mutex(self.redis, "job").acquire, 0.05)
        error.place = 3
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(copy), str(copy), copy.place), (LockTimeout, str(error), 3))
        self.assertRaises(UsageError, copy.inspect)

    def test_without_a_server_it_says_what_it_knows(self):
        with Server() as server, Mutex(server.url, "job") as lease:
            error = self.error_of(Mutex(server.url, "job").acquire, 0)
            lease.release()
            server.close()
            self.assertEqual(error.describe(), str(error))


if __name__ == "__main__":
    unittest.main()
