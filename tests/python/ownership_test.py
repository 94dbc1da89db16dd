"""Whose a lease is that a lock object has: whoever asked, in whatever task or thread, however that
ended."""

import asyncio
import contextlib
import copy
import gc
import logging
import pickle
import sys
import threading
import unittest
import unittest.mock
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from package_case import LONG, PackageCase, eventually

from distributed_lock import (
    AsyncDistributedLock,
    ConditionVariable,
    DistributedLock,
    Election,
    LockLost,
    LockTimeout,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    acquire_all,
)

TTL = 3  # seconds: a loss is seen within a third of it


class OwnershipCase(PackageCase):
    def lock(self, **options):
        return DistributedLock(self.redis, lock_name="job", lock_ttl=TTL, **options)

    def async_lock(self, **options):
        return AsyncDistributedLock(self.redis, lock_name="job", lock_ttl=TTL, **options)

    def assert_held(self):
        gc.collect()
        self.assertTrue(self.redis.exists("job"))

    def assert_free(self):
        self.assertFalse(self.redis.exists("job"))

    def lose(self, lease):
        """What a holder sees whose lease somebody else took."""
        self.redis.delete("job")
        self.assertTrue(lease.lost.wait(LONG))
        self.assertTrue(eventually(lambda: not lease.held))


class Threads(OwnershipCase):
    def test_what_a_pool_acquired_is_held_until_anybody_releases_it(self):
        with ThreadPoolExecutor(2) as executor, ThreadPool(2) as pool:
            def submit(function):
                return executor.submit(function).result(LONG)

            def apply(function):
                return pool.apply_async(function).get(LONG)

            for call in (submit, apply):
                lock = self.lock()
                for acquire in (lock.acquire, lambda: lock.acquire()):
                    for release in (lambda: call(lock.release), lock.release):
                        self.assertTrue(call(acquire))
                        self.assert_held()
                        self.assertTrue(lock.held and lock.fence > 0)
                        release()
                        self.assert_free()
        with ThreadPoolExecutor(1) as executor:
            self.assertTrue(executor.submit(lock.acquire).result(LONG))
        self.assert_held()
        lock.release()

    def test_a_thread_of_a_pool_waits_for_what_its_last_job_left(self):
        lock = self.lock()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: lock.acquire()).result(LONG)
            self.assertFalse(pool.submit(lambda: lock.acquire(timeout=0.05)).result(LONG))
            second = pool.submit(lambda: lock.acquire())
            lock.release()
            self.assertTrue(second.result(LONG))
        lock.release()

    def test_what_another_thread_is_at_is_not_released_and_its_place_is_named(self):
        lock = self.lock()
        held, done = threading.Event(), threading.Event()

        def hold():
            helper()
            held.set()
            done.wait(LONG)
            lock.release()

        def helper():
            self.assertTrue(lock.acquire())

        for start in (lambda: threading.Thread(target=hold, name="holder").start(),
                      lambda: pool.submit(hold)):
            with ThreadPoolExecutor(1, thread_name_prefix="holder") as pool:
                start()
                self.assertTrue(held.wait(LONG))
                self.assertFalse(lock.held)
                with self.assertRaisesRegex(UsageError, '"holder.*at work.*Mutex'):
                    lock.release()
                self.assert_held()
                self.assertFalse(lock.acquire(timeout=0.05))
                done.set()
                self.assertTrue(eventually(lambda: not self.redis.exists("job")))
                held.clear()
                done.clear()
        with self.assertRaisesRegex(UsageError, "nothing to release"):
            lock.release()

    def test_a_with_block_may_end_in_another_thread(self):
        def resource():
            with self.lock() as lock:
                yield lock

        lock = self.lock()
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
            steps = resource()
            one.submit(next, steps).result(LONG)
            self.assert_held()
            two.submit(next, steps, None).result(LONG)
            self.assert_free()
            one.submit(lock.__enter__).result(LONG)
            with self.assertRaisesRegex(UsageError, "with-block"):
                lock.release()
            two.submit(lock.__exit__, None, None, None).result(LONG)
            self.assert_free()
            stack = contextlib.ExitStack()
            one.submit(stack.enter_context, lock).result(LONG)
            two.submit(stack.close).result(LONG)
            self.assert_free()

    def test_a_generator_releases_what_it_acquired_wherever_it_is_stepped(self):
        lock = self.lock()

        def dependency():
            lock.acquire()
            try:
                yield lock.fence
            finally:
                lock.release()

        steps = dependency()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(next, steps).result(LONG)
        self.assert_held()
        steps.close()
        self.assert_free()

    def test_the_end_of_a_block_that_lost_its_lease_leaves_the_next_one_alone(self):
        lock = self.lock()
        with ThreadPoolExecutor(1) as pool:
            stack = contextlib.ExitStack()
            stack.enter_context(lock)
            self.lose(lock.lease)
            self.assertTrue(pool.submit(lock.__enter__).result(LONG).locked())
            self.assertRaises(LockLost, stack.close)
            self.assert_held()
            pool.submit(lock.__exit__, None, None, None).result(LONG)
        self.assert_free()

    def test_a_release_of_what_was_lost_leaves_the_next_one_alone(self):
        lock = self.lock()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lock.acquire).result(LONG)
            self.lose(lock.lease)
            self.assertTrue(lock.acquire(timeout=LONG))
            self.assertTrue(lock.held)
            self.assertRaises(LockLost, pool.submit(lock.release).result, LONG)
            self.assert_held()
            lock.release()
        self.assert_free()

    def test_the_mutex_of_a_condition_is_of_its_object_too(self):
        condition = ConditionVariable(self.redis, "job")
        with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as other:
            self.assertTrue(pool.submit(condition.acquire).result(LONG))
            self.assert_held()
            self.assertFalse(condition.wait(0.01))
            waiting = other.submit(condition.wait, LONG)

            with condition:  # free meanwhile, through the same object too
                self.assertFalse(waiting.done())
            self.assertTrue(eventually(lambda: condition.notify() or waiting.done()))
            self.assertTrue(waiting.result(LONG))
            self.assert_held()
            other.submit(condition.release).result(LONG)
            self.assert_free()
            pool.submit(condition.__enter__).result(LONG)
            self.assertRaisesRegex(UsageError, "with-block", condition.release)
            other.submit(condition.__exit__, None, None, None).result(LONG)
            self.assert_free()
            with condition:
                with self.assertRaisesRegex(UsageError, "held here already"):
                    condition.acquire()
                with self.assertRaisesRegex(UsageError, "in a with-block that the thread"):
                    other.submit(condition.release).result(LONG)

    def test_what_is_held_has_no_copies_whose_end_would_give_it_back(self):
        copies = (copy.copy, copy.deepcopy, pickle.dumps)
        for acquire in (Mutex(self.redis, "job").acquire, Election(self.redis, "job").campaign,
                        lambda: acquire_all(self.redis, ["job"])):
            with acquire() as lease:
                for make in copies:
                    with self.assertRaisesRegex(TypeError, "name and fence"):
                        make(lease)
                self.assert_held()
                self.assertTrue(lease.held)
        lock = self.lock()
        with lock:
            self.assertTrue(copy.copy(lock).held)
            for each in (lock, Mutex(self.redis, "job"), SharedMutex(self.redis, "job"),
                         Semaphore(self.redis, "job"), Election(self.redis, "job"),
                         ConditionVariable(self.redis, "job")):
                for make in copies[1:]:
                    with self.assertRaisesRegex(TypeError, "from the same settings"):
                        make(each)
            self.assert_held()

    def test_a_lease_has_one_block_and_only_while_it_is_held(self):
        lease = Mutex(self.redis, "job").acquire()
        with lease:
            with self.assertRaisesRegex(UsageError, "with-block already"):
                with lease:
                    pass
            self.assert_held()
        self.assertRaises(UsageError, lease.__enter__)
        lease = Mutex(self.redis, "job", lock_ttl=TTL).acquire()
        self.lose(lease)
        self.assertRaises(LockLost, lease.__enter__)


class Interrupted(OwnershipCase):
    def test_a_signal_handler_that_raises_at_whatever_call_leaves_nothing_held(self):
        class Interrupt(BaseException):
            pass

        def run_in(block):
            with block:
                pass

        def interrupted(run, moment):
            """Whether it came to that: a handler may run when a function of the package begins (if not
            those that only begin to give back), and when one in C returns."""
            def profile(frame, event, _):
                nonlocal moment
                if (event in ("call", "c_return") and frame.f_code.co_name not in (
                        "__exit__", "release_after")
                        and frame.f_globals.get("__package__") == "distributed_lock"):
                    moment -= 1
                    if moment == 0:
                        sys.setprofile(None)
                        raise Interrupt

            sys.setprofile(profile)
            try:
                run()
            except Interrupt:
                pass
            finally:
                sys.setprofile(None)
            return moment <= 0

        lock, condition = self.lock(), ConditionVariable(self.redis, "job")
        for run in (lambda: run_in(lock), lambda: run_in(condition), lock(lambda: None),
                    lambda: run_in(Mutex(self.redis, "job").acquire()),
                    lambda: run_in(Election(self.redis, "job").campaign())):
            with self.subTest(run), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run()
                moment = 1
                with unittest.mock.patch("sys.unraisablehook", lambda _: None):
                    while interrupted(run, moment):
                        self.assertTrue(eventually(lambda: not self.redis.exists("job"), 5), moment)
                        self.assertFalse(lock.held)
                        moment += 1
                self.assertGreater(moment, 10)


class Tasks(OwnershipCase):
    def run_async(self, main):
        return asyncio.run(asyncio.wait_for(main(), LONG))

    def test_what_any_task_acquired_for_its_caller_is_held_until_that_releases_it(self):
        async def main():
            lock = self.async_lock()
            ways = [lambda call: asyncio.wait_for(call, LONG), asyncio.create_task, asyncio.shield,
                    asyncio.gather, lambda call: next(asyncio.as_completed([call])),
                    lambda call: call]
            for acquire in ways:
                for release in ways:
                    self.assertTrue(await acquire(lock.acquire()))
                    self.assert_held()
                    self.assertTrue(lock.held and lock.fence > 0)
                    await release(lock.release())
                    self.assert_free()

        self.run_async(main)

    def test_what_a_loop_left_behind_anybody_releases(self):
        lock = self.async_lock()
        for run in (lambda call: asyncio.run(call()),
                    lambda call: asyncio.run(asyncio.wait_for(call(), LONG))):
            self.assertTrue(run(lock.acquire))
            self.assert_held()
            run(lock.release)
            self.assert_free()

    def test_a_lock_of_threads_can_be_had_in_executors(self):
        async def main():
            lock = self.lock()
            loop = asyncio.get_running_loop()
            for call in (asyncio.to_thread, lambda function: loop.run_in_executor(None, function)):
                self.assertTrue(await call(lock.acquire))
                self.assert_held()
                self.assertFalse(await call(lambda: lock.acquire(timeout=0.05)))
                second = asyncio.ensure_future(call(lock.acquire))
                await call(lock.release)
                self.assertTrue(await second)
                self.assertTrue(lock.held)
                lock.release()

        self.run_async(main)

    def test_what_another_task_is_at_is_not_released_and_its_place_is_named(self):
        async def main():
            lock = self.async_lock()
            held, done = asyncio.Event(), asyncio.Event()

            async def hold():
                await asyncio.wait_for(lock.acquire(), LONG)
                held.set()
                await done.wait()
                await asyncio.shield(lock.release())

            task = asyncio.create_task(hold(), name="holder")
            await held.wait()
            with self.assertRaisesRegex(UsageError, 'the task "holder", .*at work.*Mutex'):
                await lock.release()
            self.assertFalse(lock.held)
            self.assertFalse(await lock.acquire(timeout=0.05))
            self.assert_held()
            done.set()
            await task
            self.assert_free()

        self.run_async(main)

    def test_a_task_that_would_wait_for_itself_is_told(self):
        async def main():
            lock = self.async_lock()
            async with lock:
                with self.assertRaisesRegex(UsageError, "held here already"):
                    await lock.acquire()
            await asyncio.create_task(lock.acquire())
            with self.assertRaisesRegex(UsageError, "held here already"):
                await lock.__aenter__()
            await lock.release()

        self.run_async(main)

    def test_fixtures_and_stacks_may_be_stepped_by_different_tasks(self):
        async def main():
            lock = self.async_lock()

            async def block():
                async with lock:
                    yield

            async def explicit():
                await lock.acquire()
                yield
                await lock.release()

            @contextlib.asynccontextmanager
            async def manager():
                async with lock:
                    yield

            async def step(call):
                return await call

            for make in (block, explicit):
                values = make()
                await asyncio.create_task(step(values.__anext__()))
                self.assert_held()
                await asyncio.create_task(step(values.aclose() if make is block
                                               else anext(values, None)))
                self.assert_free()
            stack = contextlib.AsyncExitStack()
            for one in (manager(), lock):
                await asyncio.create_task(stack.enter_async_context(one))
                self.assert_held()
                await asyncio.create_task(stack.aclose())
                self.assert_free()
            await asyncio.wait_for(lock.__aenter__(), LONG)
            await lock.__aexit__(None, None, None)
            self.assert_free()

        self.run_async(main)

    def test_the_end_of_a_block_that_lost_its_lease_leaves_the_next_one_alone(self):
        async def main():
            lock = self.async_lock()
            entered, leave = asyncio.Event(), asyncio.Event()

            async def next_holder():
                async with lock:
                    entered.set()
                    await leave.wait()

            for lose in (lock.acquire, lock.__aenter__):
                await asyncio.wait_for(lose(), LONG)
                await asyncio.to_thread(self.lose, lock.lease)
                task = asyncio.create_task(next_holder())
                await entered.wait()
                with self.assertRaises(LockLost):
                    await (lock.release() if lose == lock.acquire
                           else lock.__aexit__(None, None, None))
                self.assert_held()
                leave.set()
                await task
                self.assert_free()
                entered.clear()
                leave.clear()

        self.run_async(main)

    def test_a_wait_that_is_cancelled_at_whatever_moment_leaves_nothing_behind(self):
        async def main():
            lock = self.async_lock()
            for turns in range(60):
                task = asyncio.create_task(lock.acquire())
                for _ in range(turns):
                    await asyncio.sleep(0.00002)
                task.cancel()
                try:
                    if await task:
                        await lock.release()
                except asyncio.CancelledError:
                    pass
                with contextlib.suppress(asyncio.TimeoutError):
                    if await asyncio.wait_for(lock.acquire(), 0.00002 * turns):
                        await lock.release()
            self.assertTrue(await lock.acquire(timeout=LONG))
            await lock.release()

        self.run_async(main)
        self.assert_free()

    def test_one_context_of_a_lease_serves_many_tasks(self):
        async def main():
            context = Mutex(self.redis, "job").acquire_async()
            inside = 0

            async def enter():
                nonlocal inside
                async with context as lease:
                    inside += 1
                    self.assertEqual(inside, 1)
                    await asyncio.sleep(0)
                    self.assertTrue(lease.held)
                    inside -= 1

            await asyncio.gather(*(enter() for _ in range(20)))
            async with context:
                with self.assertRaisesRegex(UsageError, "held here already"):
                    await context.__aenter__()
            self.assert_free()

            permits = Semaphore(self.redis, "gpu", permits=2).acquire_async(timeout=0)
            async with permits as one:
                async with permits as two:
                    self.assertTrue(one.held and two.held)
                    with self.assertRaises(LockTimeout):
                        await permits.__aenter__()
                self.assertTrue(one.held and not two.held)

            async def second():
                async with permits as lease:
                    entered.set()
                    await leave.wait()
                    self.assertTrue(lease.held)

            entered, leave = asyncio.Event(), asyncio.Event()
            async with permits as one:
                task = asyncio.create_task(second())
                await entered.wait()
            self.assertFalse(one.held)
            leave.set()
            await task

        self.run_async(main)

    def test_without_asyncio_the_way_is_named(self):
        with self.assertRaisesRegex(UsageError, "trio.to_thread.run_sync"):
            self.async_lock().acquire().send(None)


class Dropped(OwnershipCase):
    def assert_reported(self, name, drop):
        with self.assertLogs("distributed_lock", logging.WARNING) as logged:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                drop()
                gc.collect()
        self.assertRegex(logged.output[0], f'"{name}" was dropped while it was held')
        self.assertIn(ResourceWarning, [warning.category for warning in caught])
        self.assertFalse(self.redis.exists("job"))

    def test_what_nobody_can_reach_any_more_is_reported_and_given_back(self):
        shared = SharedMutex(self.redis, "job")
        for name, acquire in (
                ("job", Mutex(self.redis, "job").acquire),
                ("job", Mutex(self.redis, "job").try_acquire),
                ("job", shared.read.acquire),
                ("job", shared.acquire_upgradeable),
                ("job", Semaphore(self.redis, "gpu").acquire.__func__.__get__(
                    Semaphore(self.redis, "job"))),
                ("job", Election(self.redis, "job").campaign),
                ("job, other", lambda: acquire_all(self.redis, ["job", "other"])),
                ("job", lambda: self.lock().acquire()),
                ("job", lambda: self.lock().__enter__() and None),
                ("job", lambda: ConditionVariable(self.redis, "job").acquire())):
            with self.subTest(acquire):
                self.assert_reported(name, acquire)
                self.redis.flushall()

    def test_a_generator_that_is_dropped_half_way_ends_its_block(self):
        async def values():
            async with self.async_lock():
                yield

        def numbers():
            with self.lock():
                yield

        async def main():
            await anext(values())
            gc.collect()
            self.assertTrue(await asyncio.to_thread(
                eventually, lambda: not self.redis.exists("job")))

        next(numbers())
        self.assert_free()
        asyncio.run(main())


if __name__ == "__main__":
    unittest.main()
