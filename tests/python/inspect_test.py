"""Looking at locks from Python, breaking them, and the help for tests of programs that use locks."""

import asyncio
import os
import pathlib
import threading
import time
import unittest

from package_case import LONG, PackageCase, eventually  # isort: split

from distributed_lock import (
    AsyncDistributedLock,
    Barrier,
    DistributedLock,
    Election,
    Latch,
    LockLost,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    break_lock,
    break_lock_async,
    inspect_barrier,
    inspect_latch,
    inspect_lock,
    inspect_lock_async,
    list_deadlocks,
    list_locks,
    list_locks_async,
    set_label,
    stats,
)
from distributed_lock.testing import Server, lose

HOLD = ("import sys; from distributed_lock import DistributedLock, set_label\n"
        "set_label(sys.argv[2])\n"
        "with DistributedLock(lock_name=sys.argv[1], prefix='p:'):\n"
        "    print('held', flush=True); sys.stdin.read()")


class Inspection(PackageCase):
    def look(self, name, **options):
        return inspect_lock(self.redis, name, **options)

    def test_it_says_who_holds_a_lock_and_who_waits(self):
        holder = self.start(HOLD, "job", "nightly \udcff")
        self.assertEqual(holder.stdout.readline(), "held\n")
        begin = time.monotonic()
        waiter = self.start(HOLD, "job", "next")
        self.assertTrue(eventually(lambda: self.waiters("p:job") == 1))
        job = self.look("job", prefix="p:")
        self.assertTrue(0 <= job.waiters[0].waiting <= time.monotonic() - begin)
        self.assertTrue(eventually(lambda: self.look("job", prefix="p:").waiters[0].waiting
                                   > job.waiters[0].waiting))
        self.assertEqual((job.name, job.kind, job.held, job.foreign), ("job", "mutex", True, False))
        self.assertEqual((job.holder.pid, job.holder.label), (holder.pid, "nightly \udcff"))
        self.assertTrue(0 <= job.holders[0].since < LONG)
        self.assertTrue(0 < job.holders[0].ttl_left <= 30)
        self.assertEqual([(one.party.pid, one.party.label) for one in job.waiters],
                         [(waiter.pid, "next")])
        self.assertIn(f":{holder.pid} ", str(job))
        self.assertIn("; 1 waiting", str(job))
        self.assertEqual([one.name for one in list_locks(self.redis, "j*", prefix="p:")], ["job"])
        self.assertEqual(list_locks(self.redis, "k*", prefix="p:"), [])
        for process in (holder, waiter):
            self.assert_ends(process)

    def test_a_lock_is_free_or_of_another_library(self):
        self.assertEqual((self.look("job").held, self.look("job").kind, self.look("job").holder),
                         (False, None, None))
        with self.redis.lock("job", timeout=LONG):
            job = self.look("job")
        self.assertEqual((job.held, job.foreign, job.fence), (True, True, 0))
        self.assertIn("another library", str(job))

    def test_readers_and_permits_have_holders_of_their_own(self):
        document = SharedMutex(self.redis, "document")
        with document.read.acquire(), document.read.acquire():
            self.assertEqual([one.role for one in self.look("document").holders], ["reader"] * 2)
        with Semaphore(self.redis, "gpu", permits=4).acquire(weight=3):
            gpu = self.look("gpu")
        self.assertEqual((gpu.kind, gpu.permits, gpu.used, gpu.holders[0].weight),
                         ("semaphore", 4, 3, 3))

    def test_a_lock_is_broken_by_its_fence_only(self):
        lock = DistributedLock(self.redis, "job")
        lock.acquire()
        self.assertFalse(break_lock(self.redis, "job", lock.fence + 1))
        lock.ensure_held()
        self.assertTrue(break_lock(self.redis, "job", self.look("job").fence))
        self.assertTrue(lock.lost.wait(LONG))
        self.assertRaises(LockLost, lock.release)

    def test_latches_and_barriers_say_who_is_missing(self):
        self.assertIsNone(inspect_latch(self.redis, "ready"))
        self.assertIsNone(inspect_barrier(self.redis, "phase"))
        latch = Latch(self.redis, "ready", count=3)
        latch.count_down()
        part = latch.join()
        ready = inspect_latch(self.redis, "ready")
        self.assertEqual((ready.count, ready.left, ready.broken), (3, 2, False))
        self.assertEqual([one.pid for one in ready.joined], [os.getpid()])
        latch.count_down_part(part)
        barrier = Barrier(self.redis, "phase", parties=2)
        part = barrier.join()
        self.assertEqual(inspect_barrier(self.redis, "phase").parties, 2)
        barrier.leave(part)
        self.assertEqual(list_deadlocks(self.redis), [])

    def test_all_of_it_can_be_awaited(self):
        async def main():
            async with AsyncDistributedLock(self.redis, "job") as lock:
                job = await inspect_lock_async(self.redis, "job")
                self.assertEqual((job.fence, job.holder.pid), (lock.fence, os.getpid()))
                self.assertEqual(len(await list_locks_async(self.redis)), 1)
                self.assertTrue(await break_lock_async(self.redis, "job", job.fence))
                self.assertTrue(await lock.lost.wait_async(LONG))
                self.assertRaises(LockLost, lock.ensure_held)
                with self.assertRaises(LockLost):
                    await lock.release()
                await lock.acquire()

        asyncio.run(main())

    def test_counters_tell_what_was_done(self):
        with DistributedLock(self.redis, "job"):
            pass
        self.assertEqual((stats(self.redis).acquired, stats(self.redis).released), (1, 1))

    def test_the_label_is_the_script_unless_it_is_set_before_the_first_lock(self):
        Mutex(self.redis, "job")
        self.assertRaisesRegex(UsageError, "too late", set_label, "mine")
        with Mutex(self.redis, "job").acquire():
            self.assertEqual(self.look("job").holder.label, pathlib.Path(__file__).name)


class Testing(unittest.TestCase):
    def test_a_server_ends_with_its_block(self):
        with Server() as server:
            self.assertTrue(DistributedLock(server.url, "job").acquire(blocking=False))
            path = pathlib.Path(server.url.removeprefix("redis+unix://"))
            self.assertTrue(path.exists())
        self.assertFalse(path.parent.exists())
        self.assertRaisesRegex(UsageError, "ended", lambda: server.url)
        server.close()

    def test_each_server_is_empty(self):
        for _ in range(2):
            with Server() as server, DistributedLock(server.url, "job", wait=0):
                pass

    def test_what_is_held_can_be_lost(self):
        with Server() as server:
            lock = DistributedLock(server.url, "job", prefix="p:")
            lock.acquire()
            told = []
            lock.lost.add_callback(lambda: told.append(1))
            lose(server.url, lock, prefix="p:")
            self.assertRaises(LockLost, lock.ensure_held)
            self.assertTrue(eventually(lambda: told == [1]))
            self.assertRaises(LockLost, lose, server.url, lock, prefix="p:")
            leadership = Election(server.url, "web").campaign()
            lose(server.url, leadership)
            self.assertRaises(LockLost, leadership.resign)
            lease = SharedMutex(server.url, "document").acquire_upgradeable()
            lose(server.url, lease)
            self.assertRaises(LockLost, lease.release)
            self.assertRaises(UsageError, lose, server.url, DistributedLock(server.url, "none"))

    def test_losing_returns_when_the_holder_knows(self):
        with Server() as server:
            slow, lease = (Mutex(server.url, name).acquire() for name in ("slow", "job"))
            begun, go_on, known = threading.Event(), threading.Event(), []
            # The holder learns of no other loss while this runs.
            slow.lost.add_callback(lambda: begun.set() or go_on.wait(LONG))

            def lose_it():
                lose(server.url, lease)
                known.append(lease.lost.is_set())

            lose(server.url, slow)
            self.assertTrue(begun.wait(LONG))
            thread = threading.Thread(target=lose_it)
            thread.start()
            self.assertTrue(eventually(lambda: not inspect_lock(server.url, "job").held))
            thread.join(0.1)
            go_on.set()
            thread.join(LONG)
            self.assertEqual(known, [True])
            for each in (slow, lease):
                self.assertRaises(LockLost, each.release)

    def test_a_paused_server_lets_leases_run_out(self):
        with Server() as server, self.assertRaises(LockLost), (
                DistributedLock(server.url, "job", lock_ttl=0.3)) as lock:
            server.pause()
            try:
                self.assertTrue(lock.lost.wait(LONG))
            finally:
                server.resume()
            lock.ensure_held()


if __name__ == "__main__":
    unittest.main()
