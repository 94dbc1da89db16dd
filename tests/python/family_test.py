"""The rest of the family in Python: upgrades, permits that change, several locks at once, work once
in a period, elections, gates and conditions."""

import asyncio
import concurrent.futures
import signal
import unittest

from package_case import LONG, PackageCase, eventually  # isort: split

from distributed_lock import (
    Barrier,
    Broken,
    ConditionVariable,
    DistributedLock,
    Election,
    Latch,
    Leader,
    LeaderChange,
    LockBusy,
    LockLost,
    LockTimeout,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    acquire_all,
    begin_once,
    run_once,
    try_acquire_all,
)


class FamilyCase(PackageCase):
    def setUp(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(8)
        # After the server is gone, which ends what still waits in it.
        self.addCleanup(self.pool.shutdown, cancel_futures=True)
        super().setUp()

    def gate_waiters(self, kind, name, count):
        queue = f"dlock1:qw:{{dlock1:{kind}:{name}}}"
        self.assertTrue(eventually(lambda: self.redis.zcard(queue) == count))

    def lock_waiters(self, name, count):
        self.assertTrue(eventually(lambda: self.waiters(name) == count))


class Shared(FamilyCase):
    def test_a_reader_becomes_the_writer_and_a_reader_again(self):
        document = SharedMutex(self.redis, "document")
        other = document.read.acquire()
        with document.acquire_upgradeable() as lease:
            fence = lease.fence
            self.assertIsNone(document.try_acquire_upgradeable())
            self.assertRaises(LockBusy, document.acquire_upgradeable, timeout=0)
            self.assertFalse(lease.try_upgrade())
            self.assertRaises(LockBusy, lease.upgrade, timeout=0)
            self.assertRaises(LockTimeout, lease.upgrade, timeout=0.05)
            self.assertFalse(lease.upgraded)
            upgrading = self.pool.submit(lease.upgrade)
            self.lock_waiters("document", 1)
            self.assertRaises(UsageError, lease.release)  # it is being changed
            other.release()
            upgrading.result(LONG)
            self.assertTrue(lease.upgraded)
            self.assertGreater(lease.fence, fence)
            self.assertIsNone(document.read.try_acquire())
            lease.downgrade()
            document.read.acquire(timeout=LONG).release()
        document.write.acquire(timeout=LONG).release()

    def test_writers_and_upgradeable_readers_become_readers_in_one_step(self):
        document = SharedMutex(self.redis, "document")
        for acquire in (document.write.acquire, document.acquire_upgradeable):
            former = acquire()
            reader = document.downgrade(former)
            with document.read.acquire(timeout=LONG):
                self.assertIsNone(document.write.try_acquire())
            self.assertTrue(reader.held)
            self.assertFalse(former.held)
            former.release()  # does nothing
            reader.release()

    def test_the_number_of_permits_changes(self):
        gpus = Semaphore(self.redis, "gpu", permits=1)
        first = gpus.acquire()
        waiting = self.pool.submit(gpus.acquire)
        self.lock_waiters("gpu", 1)
        gpus.resize(2)
        self.assertEqual(gpus.permits, 2)
        second = waiting.result(LONG)
        self.assertIsNone(gpus.try_acquire())
        self.assertRaises(UsageError, Semaphore(self.redis, "gpu", permits=1).try_acquire)
        self.assertRaises(UsageError, gpus.resize, 0)
        self.assertEqual(gpus.permits, 2)
        first.release()
        self.assertIsNone(gpus.try_acquire(2))
        second.release()
        gpus.acquire(weight=2).release()

    def test_each_lock_is_a_block_that_gives_a_lease(self):
        document = SharedMutex(self.redis, "document")
        mutex = Mutex(self.redis, "job", prefix="p:")
        hasty = Mutex(self.redis, "job", prefix="p:", wait=0.01)
        with mutex as lease, Semaphore(self.redis, "gpu", permits=2) as permit, (
                document.read) as one, document.read as other:
            leases = [lease, permit, one, other]
            self.assertEqual(len({each.fence for each in leases}), 4)
            self.assertRaisesRegex(LockTimeout, '"p:job" within 0.01 s', hasty.acquire)
            self.assertRaises(LockTimeout, hasty.__enter__)
            self.assertRaisesRegex(UsageError, "wait for itself", mutex.__enter__)
            self.assertTrue(all(each.held for each in leases))
        self.assertFalse(any(each.held for each in leases))

        async def main():
            async with mutex as lease:
                self.assertTrue(lease.held)
            lease = await document.write.acquire_async()
            await lease.release_async()
            async with Semaphore(self.redis, "gpu", permits=2) as permit:
                self.assertTrue(permit.held)
            return [lease, permit]

        self.assertFalse(any(each.held for each in asyncio.run(main())))


class Several(FamilyCase):
    def test_all_or_none_are_taken(self):
        with acquire_all(self.redis, ["b", "a"]) as both:
            self.assertTrue(both.held)
            self.assertEqual(list(both.fences), ["b", "a"])
            self.assertIsNone(try_acquire_all(self.redis, ["a", "c"]))
            self.assertFalse(self.redis.exists("c"))
            self.assertRaises(LockTimeout, acquire_all, self.redis, ["a", "c"], timeout=0.05)
        self.assertFalse(self.redis.exists("a", "b"))
        self.assertRaises(UsageError, acquire_all, self.redis, [])

    def test_the_loss_of_one_is_the_loss_of_all(self):
        both = acquire_all(self.redis, ["a", "b"], lock_ttl=0.5)
        self.redis.delete("a")
        self.assertTrue(both.lost.wait(LONG))
        self.assertRaises(LockLost, both.ensure_held)
        self.assertRaises(LockLost, both.release)

    def test_work_is_done_once_in_a_period(self):
        done = []
        for _ in range(2):
            ran = run_once(self.redis, "nightly", lambda: done.append(1), at_least=LONG)
            self.assertEqual(ran, done == [1] and not self.redis.exists("second"))
            self.redis.set("second", 1)
        self.assertEqual(done, [1])
        self.assertTrue(self.redis.exists("nightly"))

    def test_work_that_fails_counts_as_done(self):
        def fail():
            raise OSError("broken")
        self.assertRaises(OSError, run_once, self.redis, "nightly", fail, at_least=LONG)
        self.assertIsNone(begin_once(self.redis, "nightly", at_least=LONG))

    def test_work_that_takes_too_long_is_told(self):
        def slow():
            self.assertTrue(eventually(lambda: not self.redis.exists("nightly")))
        self.assertRaises(LockLost, run_once, self.redis, "nightly", slow, at_least=0.05,
                          at_most=0.1)


class Elections(FamilyCase):
    def test_all_see_who_leads(self):
        election = Election(self.redis, "web")
        observer = election.observe()
        self.assertEqual(observer.next(LONG), LeaderChange("vacant", None))
        self.assertIsNone(observer.next(0.01))
        self.assertIsNone(election.leader())
        with election.campaign("host-1") as leadership:
            leader = election.leader()
            self.assertEqual(leader, Leader("host-1", leadership.term, 1))
            self.assertEqual(observer.next(LONG), LeaderChange("elected", leader))
            self.assertIsNone(election.try_campaign("host-2"))
            self.assertRaises(LockBusy, election.campaign, "host-2", timeout=0)
            leadership.proclaim("höst-\udcff")
            self.assertEqual(next(observer).leader, Leader("höst-\udcff", leadership.term, 2))
            following = self.pool.submit(election.campaign, "host-2")
        follower = following.result(LONG)
        self.assertGreater(follower.term, leadership.term)
        self.assertRaises(UsageError, leadership.proclaim, "late")
        follower.resign()
        kinds = []
        self.assertTrue(eventually(
            lambda: kinds.append(observer.next(LONG).kind) or kinds[-1] == "vacant"), kinds)

    def test_a_former_leader_is_told(self):
        leadership = Election(self.redis, "web", lock_ttl=0.5).campaign("host-1")
        self.redis.delete("web")
        self.assertTrue(leadership.lost.wait(LONG))
        self.assertRaises(LockLost, leadership.ensure_held)
        self.assertRaises(LockLost, leadership.resign)


class Gates(FamilyCase):
    def test_a_latch_opens_at_zero(self):
        latch = Latch(self.redis, "ready", 3)
        self.assertFalse(latch.wait(0))
        self.assertFalse(latch.wait(0.01))
        waiting = self.pool.submit(latch.wait)
        self.gate_waiters("latch", "ready", 1)
        latch.count_down(2)
        latch.count_down_part(latch.join())
        self.assertTrue(waiting.result(LONG))
        self.assertTrue(latch.wait())
        self.assertRaises(UsageError, Latch(self.redis, "ready", 4).count_down)

    def test_a_party_of_a_latch_that_dies_breaks_it(self):
        latch = Latch(self.redis, "ready")
        part = latch.join()
        waiting = self.pool.submit(latch.wait)
        self.gate_waiters("latch", "ready", 1)
        part.release()
        self.assertRaises(Broken, waiting.result, LONG)

    def test_a_barrier_lets_all_through_again_and_again(self):
        barrier = Barrier(self.redis, "phase", 3)
        for _ in range(2):
            arrived = [self.pool.submit(barrier.wait) for _ in range(2)]
            self.gate_waiters("barrier", "phase", 2)
            self.assertTrue(barrier.wait(LONG))
            self.assertEqual([one.result(LONG) for one in arrived], [True, True])

    def test_a_barrier_that_somebody_leaves_is_broken_until_it_is_reset(self):
        barrier = Barrier(self.redis, "phase")
        self.assertFalse(barrier.wait(0.05))
        self.gate_waiters("barrier", "phase", 0)  # it may leave a moment after it returned
        self.assertRaises(Broken, barrier.wait)
        barrier.reset()
        barrier.leave(barrier.join())
        part = barrier.join()
        waiting = self.pool.submit(barrier.wait)
        self.gate_waiters("barrier", "phase", 1)
        part.release()
        self.assertRaises(Broken, waiting.result, LONG)


class Conditions(FamilyCase):
    def test_a_notification_is_told_from_the_end_of_time(self):
        filled = ConditionVariable(self.redis, "jobs")
        jobs = []

        def wait():
            with filled:
                return filled.wait_for(lambda: jobs and jobs.pop(), timeout=LONG)
        waiting = self.pool.submit(wait)
        self.gate_waiters("condition", "jobs", 1)
        with filled:
            fence = filled.fence
            self.assertFalse(filled.wait(0.05))
            self.assertGreater(filled.fence, fence)
            jobs.append("a")
        filled.notify()
        self.assertEqual(waiting.result(LONG), "a")
        self.assertFalse(self.redis.exists("jobs"))

    def test_as_many_are_woken_as_is_said(self):
        filled = ConditionVariable(self.redis, "jobs")
        woken = []

        def wait(number):
            with ConditionVariable(self.redis, "jobs") as mine:
                mine.wait(LONG)
                woken.append(number)
        for number in range(4):
            self.pool.submit(wait, number)
            self.gate_waiters("condition", "jobs", number + 1)
        filled.notify(2)
        self.assertTrue(eventually(lambda: len(woken) == 2))
        self.assertEqual(sorted(woken), [0, 1])
        filled.notify_all()
        self.assertTrue(eventually(lambda: len(woken) == 4))

    def test_its_mutex_is_the_lock_of_that_name(self):
        filled = ConditionVariable(self.redis, "jobs")
        self.assertRaises(UsageError, filled.wait)
        with DistributedLock(self.redis, lock_name="jobs"):
            self.assertFalse(filled.acquire(blocking=False))
            self.assertFalse(filled.acquire(timeout=0.05))
        with filled:
            self.assertRaises(UsageError, filled.acquire)
            self.assertIsNone(Mutex(self.redis, "jobs").try_acquire())
        self.assertRaises(UsageError, filled.release)

    def test_a_lost_mutex_is_told(self):
        filled = ConditionVariable(self.redis, "jobs", lock_ttl=0.5)
        filled.acquire()
        self.redis.set("jobs", "somebody")

        def is_lost():
            try:
                filled.ensure_held()
            except LockLost:
                return True
        self.assertTrue(eventually(is_lost))
        self.assertRaises(LockLost, filled.wait, 0.01)
        self.assertRaises(LockLost, filled.release)


INTERRUPTED = """
from distributed_lock import *
import sys
kind = sys.argv[1]
if kind == "latch":
    wait = Latch(lock_name="x", count=2).wait
elif kind == "barrier":
    wait = Barrier(lock_name="x").wait
elif kind == "election":
    wait = Election(lock_name="x").campaign
elif kind == "all":
    wait = lambda: acquire_all(None, ["x", "y"])
elif kind == "lock":
    wait = ConditionVariable(lock_name="x").acquire
elif kind == "upgrade":
    document = SharedMutex(lock_name="x")
    reader, lease = document.read.acquire(), document.acquire_upgradeable()
    wait = lease.upgrade
elif kind == "observer":
    observer = Election(lock_name="x").observe()
    wait = lambda: [observer.next() for _ in range(2)]
elif kind == "condition":
    condition = ConditionVariable(lock_name="x")
    condition.acquire()
    wait = condition.wait
try:
    wait()
except KeyboardInterrupt:
    if kind == "condition":
        condition.ensure_held()
    print("interrupted", flush=True)
"""


class Interruptions(FamilyCase):
    def test_ctrl_c_ends_each_wait(self):
        lock, gate = "dlock1:qw:{x}", "dlock1:qw:{dlock1:%s:x}"
        with Mutex(self.redis, "x").acquire():
            for kind in ("election", "all", "lock"):
                self.assert_interrupted(kind, lambda: self.redis.zcard(lock))
        self.assert_interrupted("upgrade", lambda: self.redis.zcard(lock))
        for kind in ("latch", "barrier", "condition"):
            self.assert_interrupted(kind, lambda: self.redis.zcard(gate % kind))
        self.assert_interrupted("observer", lambda: self.redis.execute_command(
            "PUBSUB", "SHARDNUMSUB", "dlock1:lw:{x}")[1])

    def assert_interrupted(self, kind, is_waiting):
        process = self.start(INTERRUPTED, kind)
        self.assertTrue(eventually(is_waiting), kind)
        process.send_signal(signal.SIGINT)
        out, _ = self.assert_ends(process)
        self.assertEqual(out, "interrupted\n")

    def test_a_program_ends_while_its_threads_wait(self):
        program = """
import threading
from distributed_lock import *
lease = Mutex(lock_name="other").acquire()
waits = [Latch(lock_name="a", count=2).wait, Barrier(lock_name="b").wait, lease.lost.wait,
         Election(lock_name="c").observe().next, ConditionVariable(lock_name="held").acquire,
         DistributedLock(lock_name="held").acquire,
         lambda: acquire_all(None, ["held", "d"])]
observer = Election(lock_name="c").observe()
observer.next()
waits.append(observer.next)
for wait in waits:
    threading.Thread(target=wait, daemon=True).start()
print("started", flush=True)
"""
        with Mutex(self.redis, "held").acquire():
            process = self.start(program)
            self.assert_ends(process)


if __name__ == "__main__":
    unittest.main()
