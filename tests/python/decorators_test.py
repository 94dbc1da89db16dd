"""Decorated functions of every kind hold the lock exactly while their body runs."""

import asyncio
import contextlib
import functools
import gc
import inspect
import sys
import threading
import types
import unittest

from package_case import LONG, PackageCase, eventually

from distributed_lock import (
    AsyncDistributedLock,
    DistributedLock,
    LockLost,
    Mutex,
    Semaphore,
    SharedMutex,
    UsageError,
    begin_once,
    run_once,
)


class DecoratorCase(PackageCase):
    def locks(self):
        """Decorators of each kind, which know a form for asyncio too."""
        shared = SharedMutex(self.redis, "job")
        return (DistributedLock(self.redis, lock_name="job"), Mutex(self.redis, "job"),
                shared.write, shared.read, Semaphore(self.redis, "job"),
                Semaphore(self.redis, "job", permits=3)(weight=2),
                Mutex(self.redis, name=lambda: "job"))

    def held(self):
        kind = self.redis.type("job")
        if kind == b"zset":
            return self.redis.zcard("job") > 0
        return kind != b"none"

    def assert_free(self):
        gc.collect()
        self.assertFalse(self.held())

    def each_lock(self):
        for lock in self.locks():
            self.redis.flushall()
            with self.subTest(lock):
                yield lock
                self.assert_free()


class Functions(DecoratorCase):
    def test_what_is_called_is_held(self):
        case = self

        def function(number=1):
            return case.held() and number

        class Callable:
            def __call__(self, number=1):
                return function(number)

            method = function

        class Owner:
            def method(self):
                return function()

            @classmethod
            def of_class(cls):
                return function()

        for lock in self.each_lock():
            class Decorated:
                @lock
                def method(self):
                    return function()

                @classmethod
                @lock
                def above(cls):
                    return cls is Decorated and function()

                @lock
                @classmethod
                def below(cls):
                    return cls is Decorated and function()

                @staticmethod
                @lock
                def static_above():
                    return function()

                @lock
                @staticmethod
                def static_below():
                    return function()

                @property
                @lock
                def value(self):
                    return function()

            one = Decorated()
            calls = [lock(function), lock(functools.partial(function, 5)), lock(Callable()),
                     lock(Owner().method), lock(Owner.of_class), lock(lambda: function()),
                     lock(functools.lru_cache(function)), lock(functools.wraps(function)(
                         lambda: function())), one.method, one.above, one.below,
                     Decorated.below, one.static_above, one.static_below,
                     Decorated.static_below, lambda: one.value]
            for call in calls:
                self.assertTrue(call())
                self.assert_free()
        wrapped = Mutex(self.redis, "job")(function)
        self.assertEqual(inspect.signature(wrapped), inspect.signature(function))
        self.assertEqual(wrapped.__name__, "function")

    def test_coroutine_functions_hold_it_while_they_are_awaited(self):
        async def function(number=1):
            self.assertTrue(self.held())
            await asyncio.sleep(0)
            return self.held() and number

        class Callable:
            async def __call__(self):
                return await function()

        @types.coroutine
        def old():
            yield from asyncio.sleep(0).__await__()
            return self.held()

        functions = [function, functools.partial(function, 5), Callable(), Callable().__call__,
                     functools.partial(Callable()), old]
        if sys.version_info >= (3, 12):
            functions.append(inspect.markcoroutinefunction(lambda: function()))
        for lock in (*self.locks(), AsyncDistributedLock(self.redis, lock_name="job")):
            for one in functions:
                with self.subTest(lock=lock, function=one):
                    self.redis.flushall()
                    call = lock(one)
                    self.assertTrue(inspect.iscoroutinefunction(call))
                    started = call()
                    self.assert_free()
                    self.assertTrue(asyncio.run(self.awaited(started)))
                    self.assert_free()

    @staticmethod
    async def awaited(value):
        return await value

    def test_generators_hold_it_from_the_first_step_to_the_end(self):
        class Failed(Exception):
            pass

        def function(start=1):
            got = yield start, self.held()
            try:
                got = yield got, self.held()
            except Failed:
                yield "caught", self.held()
            return "result"

        class Callable:
            def __call__(self, start=1):
                return (yield from function(start))

        for lock in self.each_lock():
            for one in (function, functools.partial(function, 1), Callable()):
                call = lock(one)
                self.assertTrue(inspect.isgeneratorfunction(call))
                steps = call()
                self.assert_free()
                self.assertEqual(next(steps), (1, True))
                self.assertEqual(steps.send(7), (7, True))
                self.assertEqual(steps.throw(Failed()), ("caught", True))
                with self.assertRaises(StopIteration) as ended:
                    next(steps)
                self.assertEqual(ended.exception.value, "result")
                self.assert_free()
                for drop in (lambda steps: steps.close(), lambda steps: None):
                    steps = call()
                    next(steps)
                    self.assertTrue(self.held())
                    drop(steps)
                    del steps
                    self.assert_free()
                steps = call()
                next(steps)
                self.assertRaises(KeyError, steps.throw, KeyError())
                self.assert_free()

    def test_asynchronous_generators_too(self):
        class Failed(Exception):
            pass

        ended = []

        async def function(start=1):
            try:
                await asyncio.sleep(0)
                got = yield start, self.held()
                try:
                    got = yield got, self.held()
                except Failed:
                    yield "caught", self.held()
            finally:
                ended.append(self.held())

        async def main(call):
            steps = call()
            self.assertEqual(await steps.__anext__(), (1, True))
            self.assertEqual(await steps.asend(7), (7, True))
            self.assertEqual(await steps.athrow(Failed()), ("caught", True))
            self.assertRaises(StopAsyncIteration, await self.result_of(steps.__anext__()))
            self.assert_free()
            steps = call()
            await steps.__anext__()
            await steps.aclose()
            self.assert_free()
            steps = call()
            await steps.__anext__()
            del steps
            self.assertTrue(await asyncio.to_thread(eventually, lambda: not self.held()))
            self.assertEqual([value async for value in call()], [(1, True), (None, True)])
            steps = call()
            await steps.__anext__()
            with self.assertRaises(KeyError):
                await steps.athrow(KeyError())
            self.assert_free()

        for lock in (*self.locks(), AsyncDistributedLock(self.redis, lock_name="job")):
            for one in (function, functools.partial(function, 1)):
                with self.subTest(lock):
                    self.redis.flushall()
                    call = lock(one)
                    self.assertTrue(inspect.isasyncgenfunction(call))
                    asyncio.run(main(call))
        self.assertEqual(set(ended), {True})

    @staticmethod
    async def result_of(step):
        try:
            value = await step
        except BaseException as error:
            raised = error

            def again():
                raise raised

            return again
        return lambda: value

    def test_what_cannot_be_held_is_refused_when_it_is_decorated(self):
        class Plain:
            pass

        lock = DistributedLock(self.redis, lock_name="job")
        for lock in (lock, Mutex(self.redis, "job"), AsyncDistributedLock(self.redis, "job")):
            for wrong in (Plain, property(lambda self: 1), functools.partialmethod(print), 3,
                          functools.cached_property(lambda self: 1)):
                with self.subTest(wrong), self.assertRaises(UsageError):
                    lock(wrong)
        with self.assertRaisesRegex(UsageError, "async def"):
            AsyncDistributedLock(self.redis, "job")(lambda: 1)

    def test_a_function_that_returns_what_has_still_to_run_is_told(self):
        async def coroutine():
            ran.append(1)

        def generator():
            ran.append(1)
            yield

        async def async_generator():
            ran.append(1)
            yield

        async def main():
            call = Mutex(self.redis, "job")(lambda: asyncio.ensure_future(coroutine()))
            self.assertRaises(UsageError, call)
            with self.assertRaises(UsageError):
                await Mutex(self.redis, "job")(later)()

        async def later():
            return async_generator()

        ran = []
        for function in (coroutine, generator, async_generator, contextlib.contextmanager(generator),
                         contextlib.asynccontextmanager(async_generator)):
            with self.assertRaisesRegex(UsageError, "without the lock"):
                Mutex(self.redis, "job")(lambda: function())()
            self.assert_free()
        for function in (coroutine, generator, async_generator):
            with self.assertRaises(UsageError):
                run_once(self.redis, "once", function)
        self.assertEqual(ran, [])
        with contextlib.contextmanager(Mutex(self.redis, "job")(generator))():
            self.assertTrue(self.held())
        self.assert_free()
        ran.clear()
        lease = begin_once(self.redis, "once")  # nobody began it
        self.assertIsNotNone(lease)
        lease.release()
        with self.assertRaises(UsageError):
            run_once(self.redis, "twice", lambda: coroutine())
        asyncio.run(main())

    def test_a_call_within_a_call_is_told_and_other_calls_wait(self):
        for lock in (DistributedLock(self.redis, lock_name="job"), Mutex(self.redis, "job"),
                     SharedMutex(self.redis, "job").write):
            @lock
            def recursive():
                recursive()

            @lock
            def generator():
                yield 1

            @lock
            async def coroutine():
                await coroutine()

            with self.assertRaisesRegex(UsageError, "wait for itself"):
                recursive()
            with self.assertRaisesRegex(UsageError, "wait for itself"):
                list(zip(generator(), generator()))
            with self.assertRaisesRegex(UsageError, "wait for itself"):
                asyncio.run(coroutine())
            self.assert_free()

            inside = []

            @lock
            def count():
                inside.append(1)
                self.assertEqual(len(inside), 1)
                inside.pop()
                return True

            @lock
            async def count_async():
                inside.append(1)
                await asyncio.sleep(0)
                self.assertEqual(len(inside), 1)
                inside.pop()
                return True

            async def main():
                return await asyncio.gather(*(count_async() for _ in range(10)))

            done = []
            threads = [threading.Thread(target=lambda: done.append(count())) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LONG)
            self.assertEqual(done, [True] * 5)
            self.assertEqual(asyncio.run(main()), [True] * 10)

    def test_the_lock_object_tells_of_the_lease_in_the_body(self):
        lock = DistributedLock(self.redis, lock_name="job", lock_ttl=3)

        @lock
        def function():
            self.assertTrue(lock.held and lock.fence)
            self.redis.delete("job")
            lock.lost.wait(LONG)

        @lock
        async def coroutine():
            return lock.held and lock.fence

        self.assertTrue(asyncio.run(coroutine()))
        self.assertRaises(LockLost, function)


class Names(DecoratorCase):
    def test_they_come_from_the_arguments(self):
        class Job:
            id = 3

            @Mutex(self.redis, name="job-{self.id}-{part}")
            def run(self, part="a"):
                return names()

            @classmethod
            @Mutex(self.redis, name="{cls.__name__}")
            def all(cls):
                return names()

        def names():
            return sorted(key.decode() for key in self.redis.keys() if b"dlock" not in key)

        self.assertEqual((Job().run(), Job().run("b"), Job().run(part="c"), Job.all()),
                         (["job-3-a"], ["job-3-b"], ["job-3-c"], ["Job"]))
        for lock in (DistributedLock(self.redis, name="{user:03}"),
                     SharedMutex(self.redis, name=lambda user: f"{user:03}").read,
                     Semaphore(self.redis, name=lambda user, /: f"{user:03}", permits=2)):
            self.assertEqual(lock(lambda user, other=1: names())(7), ["007"])
            self.assertEqual(lock(lambda **options: names())(user=8), ["008"])

            @lock
            def steps(user):
                yield names()

            self.assertEqual(list(steps(7)), [["007"]])

            @lock
            async def later(user):
                return names()

            self.assertEqual(asyncio.run(later(user=9)), ["009"])
        self.assertEqual(Mutex(self.redis, name=lambda *args, **kwargs: f"{args}{kwargs}")(
            lambda a, *, b=2: names())(1), ["(1,){'b': 2}"])

    def test_calls_of_other_names_do_not_wait(self):
        lock = DistributedLock(self.redis, name="{number}")

        @lock
        def nested(number):
            self.assertTrue(lock.fence)
            return 1 + nested(number - 1) if number else 0

        @lock
        def recursive(number):
            return recursive(number)

        self.assertEqual(nested(3), 3)
        with self.assertRaisesRegex(UsageError, "wait for itself"):
            recursive(3)

    def test_wrong_ones_are_told_when_they_are_written(self):
        def function(user):
            pass

        for name in ("{usr}", "{}", "{0}", "{user", "{user:{width}}", lambda usr: "", int):
            with self.subTest(name), self.assertRaises(UsageError):
                Mutex(self.redis, name=name)(function)
        self.assertRaises(UsageError, Mutex, self.redis, "job", name="{user}")
        self.assertRaises(UsageError, Mutex, self.redis, name="{user}", lock_ttl=0)
        for name in ("{user.id}", lambda user: None, lambda user: ""):
            with self.subTest(name), self.assertRaises(UsageError):
                Mutex(self.redis, name=name)(function)(1)
        lock = DistributedLock(self.redis, name="{user}")
        for use in (lock.acquire, lock.__enter__, lock.locked, lambda: lock.name, lock.release,
                    Mutex(self.redis, name="{user}").acquire):
            with self.assertRaisesRegex(UsageError, "as a decorator"):
                use()


if __name__ == "__main__":
    unittest.main()
