"""The asynchronous forms of the Python package: elections, gates, conditions, several locks at once."""

import asyncio
import datetime
import math
import unittest

from package_case import LONG, PackageCase, eventually

from distributed_lock import (
    AsyncDistributedLock,
    Barrier,
    ConditionVariable,
    Election,
    Latch,
    LockBusy,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    acquire_all_async,
    begin_once_async,
    run_once_async,
)


class AsyncFamily(PackageCase):
    def run_async(self, coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, LONG))

    def test_what_is_to_come_is_of_one_block_at_a_time(self):
        async def main():
            coming = Election(self.redis, "leader").campaign_async()
            async with Mutex(self.redis, "leader").acquire_async():
                waiting = asyncio.create_task(coming.__aenter__())
                await asyncio.sleep(0)
                with self.assertRaisesRegex(UsageError, "make another one"):
                    await coming.__aenter__()
                waiting.cancel()
                await asyncio.wait([waiting])
            for _ in range(2):
                async with coming as leadership:
                    self.assertTrue(leadership.held)
            self.assertFalse(self.redis.exists("leader"))

        self.run_async(main())

    def test_each_wait_lets_the_loop_go_on_and_gets_what_it_waits_for(self):
        async def main():
            latch = Latch(self.redis, "latch")
            barrier = Barrier(self.redis, "barrier", parties=2)
            opened, _ = await asyncio.gather(latch.wait_async(), latch.count_down_async())
            self.assertTrue(opened)
            self.assertEqual(await asyncio.gather(barrier.wait_async(), barrier.wait_async()),
                             [True, True])
            election = Election(self.redis, "leader")
            observer = election.observe()
            async with election.campaign_async("a") as leadership:
                self.assertEqual((await election.leader_async()).value, "a")
                with self.assertRaises(LockBusy):
                    await election.campaign_async("b", timeout=0)
                await leadership.proclaim_async("c")
                async for change in observer:
                    if change.leader and change.leader.value == "c":
                        break
            async with acquire_all_async(self.redis, ["x", "y"]) as both:
                self.assertEqual(len(both.fences), 2)
            async with SharedMutex(self.redis, "document").acquire_upgradeable_async() as lease:
                await lease.upgrade_async()
                self.assertTrue(lease.upgraded)
            gpus = Semaphore(self.redis, "gpu", permits=1)
            await gpus.resize_async(2)
            self.assertEqual(gpus.permits, 2)

            filled, items = ConditionVariable(self.redis, "filled"), []

            async def fill():
                async with filled:
                    items.append(1)
                await filled.notify_async()

            async with filled:
                filling = asyncio.create_task(fill())
                self.assertEqual(await filled.wait_for_async(lambda: items), [1])
            await filling

            async def work():
                ran.append(1)

            ran = []
            self.assertTrue(await run_once_async(self.redis, "once", work))
            self.assertFalse(await run_once_async(self.redis, "once", work))
            self.assertEqual((ran, await begin_once_async(self.redis, "once")), ([1], None))

        self.run_async(main())

    def test_a_cancelled_wait_leaves_nothing_behind(self):
        async def main():
            lease = Mutex(self.redis, "own").acquire()
            waits = (AsyncDistributedLock(self.redis, "job").acquire,
                     Election(self.redis, "job").campaign_async().__aenter__,
                     ConditionVariable(self.redis, "job").acquire_async,
                     acquire_all_async(self.redis, ["job", "other"]).__aenter__,
                     lease.lost.wait_async, Latch(self.redis, "never").wait_async)
            for wait in waits:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(wait(), 0.05)
            self.assertTrue(await asyncio.to_thread(eventually, lambda: not self.waiters("job")))
            lease.release()

        async def at_the_answer():
            async with acquire_all_async(self.redis, ["job", "other"], timeout=LONG):
                pass
            for i in range(30):  # just as the answer comes
                task = asyncio.ensure_future(Election(self.redis, "job").campaign_async().__aenter__())
                await asyncio.sleep(i * 0.0001)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if not task.cancelled():
                    await task.result().release_async()
                await asyncio.to_thread(lambda: Mutex(self.redis, "job").acquire(LONG).release())

        with self.held_elsewhere("job"):
            self.run_async(main())
        self.run_async(at_the_answer())

    def test_spans(self):
        for forever in (math.inf, 1e300, None, datetime.timedelta.max):
            mutex = Mutex(self.redis, "job", max_hold=forever)
            mutex.acquire(timeout=forever).release()
        for forever in (math.inf, 1e300, datetime.timedelta.max):
            mutex = Mutex(self.redis, "job", lock_ttl=forever, replication_timeout=forever)
            mutex.acquire(timeout=forever).release()
        with Mutex(self.redis, "job", datetime.timedelta(seconds=20)).acquire() as lease:
            self.assertFalse(lease.lost.wait(datetime.timedelta(milliseconds=10)))
            self.assertGreater(lease.valid_for, 10)
            self.assertIsNone(Mutex(self.redis, "job").try_acquire(-math.inf))
            for wrong in (math.nan, -math.nan):
                with self.assertRaises(UsageError):
                    lease.lost.wait(wrong)
        for wrong in (-math.inf, math.nan):
            with self.assertRaises(UsageError):
                Mutex(self.redis, "job", lock_ttl=wrong)


if __name__ == "__main__":
    unittest.main()
