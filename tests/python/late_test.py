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
    SharedMutex,
    UsageError,
    acquire_all,
    acquire_all_async,
    try_acquire_all,
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

    def in_all_ways(self, blocking, coroutine):
        """The errors of a call in the main thread, in another one, and in asyncio."""
        async def run():
            return await coroutine()

        return [self.error_of(blocking), self.in_thread(blocking),
                self.error_of(lambda: asyncio.run(run()))]

    def test_elections_know_the_place_and_the_leader(self):
        with self.held_elsewhere("web"):
            election = Election(self.redis, "web")
            for error in self.in_all_ways(lambda: election.campaign(timeout=0.2),
                                          lambda: election.campaign_async(timeout=0.2)):
                self.assertGreater(error.place, 0)  # the wait before may still be in the queue
                self.assertIn(f'"web" within 0.2 s, number {error.place} in its queue', str(error))
                self.assertRegex(error.describe(), r'; "web": held by .*:\d+ python')
            error = self.error_of(election.campaign, timeout=0)
            self.assertEqual((type(error), error.place), (LockBusy, 0))
            self.assertIsNone(election.try_campaign(timeout=0.01))

    def test_of_several_locks_the_missing_one_is_named(self):
        with self.held_elsewhere("p:b"):
            options = {"prefix": "p:", "timeout": 0.2}
            for error in self.in_all_ways(
                    lambda: acquire_all(self.redis, ["c", "b", "a"], **options),
                    lambda: acquire_all_async(self.redis, ["c", "b", "a"], **options)):
                self.assertGreater(error.place, 0)
                self.assertEqual(str(error), 'could not acquire all of the locks "p:c", "p:b", "p:a" '
                                 f'within 0.2 s: it waited for "p:b", number {error.place} in its queue')
                self.assertEqual((error.inspect().name, error.inspect().held), ("b", True))
                self.assertRegex(error.describe(), r'; "b": held by .*:\d+ python')
            error = self.error_of(acquire_all, self.redis, ["a", "b"], prefix="p:", timeout=0)
            self.assertEqual((type(error), error.place), (LockBusy, 0))
            self.assertEqual(str(error), 'not all of the locks "p:a", "p:b" are free')
            self.assertEqual(error.inspect().name, "b")  # the first that is held
            self.assertEqual(asyncio.run(error.inspect_async()).name, "b")
            self.assertIsNone(try_acquire_all(self.redis, ["a", "b"], prefix="p:", timeout=0.01))

    def test_an_upgrade_names_the_readers_that_are_left(self):
        mutex = SharedMutex(self.redis, "rw")
        with mutex.acquire_upgradeable() as lease, SharedMutex(self.redis, "rw").read.acquire():
            for error in self.in_all_ways(lambda: lease.upgrade(0.2),
                                          lambda: lease.upgrade_async(0.2)):
                self.assertEqual(error.place, 1)
                self.assertEqual(str(error), 'could not upgrade the lock "rw" within 0.2 s')
                self.assertEqual([one.role for one in error.inspect().holders].count("reader"), 1)
            error = self.error_of(lease.upgrade, 0)
            self.assertEqual((type(error), str(error)), (
                LockBusy, 'the lock "rw" cannot be upgraded now: it has other readers'))
            self.assertFalse(lease.try_upgrade(0.01))
            self.assertFalse(lease.upgraded)
            error = self.error_of(SharedMutex(self.redis, "rw").acquire_upgradeable, 0.2)
            self.assertIn('"rw" within 0.2 s', str(error))
            self.assertEqual(error.inspect().holder.pid, os.getpid())

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
