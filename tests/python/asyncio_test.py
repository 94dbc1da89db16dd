"""The Python package in asyncio: waits that block neither the loop nor a thread."""

import asyncio
import logging
import os
import resource
import threading
import time
import unittest
from unittest import mock

from package_case import LONG, PackageCase, eventually

from distributed_lock import (
    AsyncDistributedLock,
    ConditionVariable,
    Election,
    LockBusy,
    LockLost,
    LockTimeout,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    acquire_all_async,
    stats,
)
from distributed_lock._mailbox import Mailbox


class Asyncio(PackageCase):
    def run_async(self, coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, LONG))

    async def until(self, predicate):
        self.assertTrue(await asyncio.to_thread(eventually, predicate))

    def test_a_lock_is_held_in_its_block(self):
        async def main():
            lock = AsyncDistributedLock(self.redis, lock_name="job", lock_ttl=20)
            async with lock:
                self.assertTrue(await lock.locked())
                self.assertTrue(lock.held and lock.fence > 0 and lock.valid_for > 15)
                with self.assertRaises(UsageError):
                    await lock.acquire()
            self.assertFalse(await lock.locked())

        self.run_async(main())

    def test_tasks_exclude_each_other_and_wait_without_threads(self):
        total = 0

        async def add(lock):
            nonlocal total
            async with lock:
                seen = total
                await asyncio.sleep(0)
                total = seen + 1

        async def main():
            lock = AsyncDistributedLock(self.redis, lock_name="job")
            await lock.acquire()
            tasks = [asyncio.create_task(add(lock)) for _ in range(100)]
            before = len(os.listdir("/proc/self/task"))
            await lock.locked()  # all have begun to wait
            self.assertLess(len(os.listdir("/proc/self/task")), before + 10)
            await lock.release()
            await asyncio.gather(*tasks)

        self.run_async(main())
        self.assertEqual(total, 100)

    def test_time_limits(self):
        async def main():
            holder = AsyncDistributedLock(self.redis, lock_name="job")
            other = AsyncDistributedLock(self.redis, lock_name="job", wait=0.05)

            async def rival():
                self.assertFalse(await other.acquire(blocking=False))
                self.assertFalse(await other.acquire(timeout=0.05))
                with self.assertRaises(LockTimeout):
                    await other.__aenter__()
                with self.assertRaises(LockBusy):
                    await Mutex(self.redis, "job").acquire_async(timeout=0).__aenter__()

            async with holder:
                await asyncio.create_task(rival())

        self.run_async(main())

    def test_a_wait_that_outlives_its_loop_gives_the_lock_back(self):
        with self.held_elsewhere("job"):
            loop = asyncio.new_event_loop()
            loop.create_task(AsyncDistributedLock(self.redis, lock_name="job").acquire())
            loop.call_soon(loop.stop)
            loop.run_forever()
            self.assertTrue(eventually(lambda: self.waiters("job")))
            pending = asyncio.all_tasks(loop)
            loop.close()
        self.assertTrue(eventually(lambda: not self.redis.exists("job")))
        for task in pending:  # nobody will run them: no report of that, please
            task._log_destroy_pending = False

    def test_one_wake_up_of_the_loop_takes_the_answers_that_have_come(self):
        wake_ups = []
        take = Mailbox._take

        def counted(mailbox):
            wake_ups.append(mailbox)
            take(mailbox)

        async def main():
            locks = [AsyncDistributedLock(self.redis, lock_name=f"job{i}") for i in range(64)]
            tasks = [asyncio.create_task(lock.acquire()) for lock in locks]
            await asyncio.sleep(0)  # all begin
            self.assertTrue(eventually(lambda: stats(self.redis).acquired == 64))  # blocks the loop
            await asyncio.gather(*tasks)
            await asyncio.gather(*(lock.release() for lock in locks))

        with mock.patch.object(Mailbox, "_take", counted):
            self.run_async(main())
        self.assertLess(len(wake_ups), 64)

    def test_each_call_wakes_one_thread(self):
        def switches():
            return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw

        async def pairs(count):
            for _ in range(count):
                async with AsyncDistributedLock(self.redis, lock_name="job"):
                    pass

        async def main():
            await pairs(20)
            each = float("inf")  # at best: the machine may be busy
            for _ in range(5):
                before = switches()
                await pairs(100)
                each = min(each, (switches() - before) / 200)
            self.assertLess(each, 1.5)  # the loop reads from the server itself

        Mutex(self.redis, "job").acquire().release()  # also where the connection was there before it
        for _ in range(2):  # another loop too
            self.run_async(main())

    def test_a_call_takes_one_turn_of_the_loop(self):
        async def main():
            lock = AsyncDistributedLock(self.redis, lock_name="job")
            select = asyncio.get_running_loop()._selector.select
            async with lock:
                pass
            with mock.patch.object(asyncio.get_running_loop()._selector, "select",
                                   side_effect=select) as turns:
                for _ in range(100):
                    async with lock:
                        pass
            self.assertLess(turns.call_count, 250)  # a call that went by the loop's queue took two

        self.run_async(main())

    def test_a_task_that_ends_the_loop_takes_no_answer_from_others(self):
        async def leave(lock):
            await lock.acquire()
            raise SystemExit

        async def begin():
            await asyncio.sleep(0)
            self.assertTrue(eventually(lambda: stats(self.redis).acquired == 2))  # blocks the loop

        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        one, other = (AsyncDistributedLock(self.redis, lock_name=name) for name in ("a", "b"))
        leaving, waiting = loop.create_task(leave(one)), loop.create_task(other.acquire())
        with self.assertRaises(SystemExit):
            loop.run_until_complete(begin())
            loop.run_until_complete(leaving)
        self.assertTrue(loop.run_until_complete(asyncio.wait_for(waiting, LONG)))

    def test_a_loop_with_no_calls_under_way_is_not_woken_for_other_threads(self):
        wake_ups = []
        take = Mailbox._take

        def counted(mailbox):
            wake_ups.append(mailbox)
            take(mailbox)

        def use():
            for _ in range(100):
                Mutex(self.redis, "job").acquire().release()

        async def main():
            async with AsyncDistributedLock(self.redis, lock_name="other"):
                pass
            wake_ups.clear()
            await asyncio.to_thread(use)
            self.assertLess(len(wake_ups), 10)
            async with AsyncDistributedLock(self.redis, lock_name="other"):
                pass  # it reads again

        with mock.patch.object(Mailbox, "_take", counted):
            self.run_async(main())

    def test_two_loops_share_a_connection_and_one_may_be_busy(self):
        is_busy, is_over = threading.Event(), threading.Event()

        async def pairs(name, count):
            for _ in range(count):
                async with AsyncDistributedLock(self.redis, lock_name=name):
                    pass

        async def be_busy():
            task = asyncio.create_task(pairs("a", 50))
            await pairs("b", 10)
            is_busy.set()
            is_over.wait(LONG)  # the loop stands still, with a call under way
            await task

        busy = threading.Thread(target=self.run_async, args=(be_busy(),))
        busy.start()
        try:
            self.assertTrue(is_busy.wait(LONG))
            began = time.monotonic()
            self.run_async(pairs("c", 20))
            self.assertLess(time.monotonic() - began, LONG / 2)
        finally:
            is_over.set()
            busy.join()
        self.assertFalse(self.redis.exists("a", "b", "c"))

    def test_the_family_can_be_awaited(self):
        async def main():
            document = SharedMutex(self.redis, "document")
            async with document.read.acquire_async(), document.read.acquire_async() as reader:
                self.assertTrue(reader.held)
                with self.assertRaises(LockBusy):
                    await document.write.acquire_async(timeout=0).__aenter__()
            gpus = Semaphore(self.redis, "gpu", permits=3)
            async with gpus.acquire_async(2), gpus.acquire_async():
                self.assertIsNone(gpus.try_acquire())

        self.run_async(main())

    def test_a_loss_is_told_and_hides_no_exception(self):
        async def main():
            lost = asyncio.Event()
            loop = asyncio.get_running_loop()
            with self.assertRaises(LockLost):
                async with AsyncDistributedLock(self.redis, lock_name="job", lock_ttl=0.3) as lock:
                    lock.lost.add_callback(lambda: loop.call_soon_threadsafe(lost.set))
                    self.redis.delete("job")
                    await lost.wait()
            lock, condition = AsyncDistributedLock(self.redis, "job"), ConditionVariable(self.redis, "job")

            def lose():
                return asyncio.to_thread(self.redis.delete, "job")

            for block, end, failure in (
                    (lambda: lock, lose, "LockLost"), (lambda: lock, lock.release, "UsageError"),
                    (lambda: condition, condition.release_async, "UsageError"),
                    (Mutex(self.redis, "job").acquire_async, lose, "LockLost"),
                    (Election(self.redis, "job").campaign_async, lose, "LockLost"),
                    (lambda: acquire_all_async(self.redis, ["job"]), lose, "LockLost")):
                with self.assertLogs("distributed_lock", logging.ERROR):
                    with self.assertRaises(KeyError) as caught:
                        async with block():
                            await end()
                            raise KeyError("mine")
                self.assertRegex(caught.exception.__notes__[0], failure)

        self.run_async(main())

    def test_a_loss_cancels_the_body_of_a_block(self):
        async def body(block, guard, entered):
            async with block as held, guard(held):
                entered.set()
                await asyncio.sleep(LONG)

        async def main():
            lock = AsyncDistributedLock(self.redis, "job", lock_ttl=0.3)
            mutex = Mutex(self.redis, "job", lock_ttl=0.3)
            for block, guard in ((lock, lambda _: lock.cancel_on_loss()),
                                 (mutex, lambda lease: lease.cancel_on_loss())):
                for end, error in ((lambda _: asyncio.to_thread(self.redis.delete, "job"), LockLost),
                                   (asyncio.Task.cancel, asyncio.CancelledError)):
                    entered = asyncio.Event()
                    task = asyncio.create_task(body(block, guard, entered))
                    await entered.wait()
                    ended = end(task)
                    if ended is not True:
                        await ended
                    with self.assertRaises(error):
                        await asyncio.wait_for(task, LONG / 2)
            async with mutex as lease, lease.cancel_on_loss():
                pass

        self.run_async(main())


if __name__ == "__main__":
    unittest.main()
