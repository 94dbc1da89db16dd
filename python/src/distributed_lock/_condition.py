"""ConditionVariable: what threading.Condition is to threads, for programs everywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from . import _dlock, _process
from ._blocks import AsyncBlocks, Blocks
from ._errors import DistributedLockError
from ._late import Late
from ._lease import report_dropped
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of
from ._names import quoted
from ._ownership import Caller, Entry, Ownership, caller, coroutine_function, current_task
from ._per_process import PerProcess
from ._spans import Seconds, limit_of, seconds_of
from ._store import Store
from ._waits import blocking as waiting
from ._waits import brief, in_thread

T = TypeVar("T")


class _Hold:
    """The mutex as somebody has it; given back at the end of the program at the latest."""

    def __init__(self, inner: _dlock.Condition, name: str) -> None:
        self.inner = inner
        self.is_waiting = False
        self._is_released = False
        self._name = name
        self._generation = _process.generation()
        _process.hold(self)

    @property
    def held(self) -> bool:
        """Whether it still holds, or gave the mutex back for the time of a wait."""
        try:
            if not self.is_waiting:
                self.inner.ensure_held()
        except DistributedLockError:
            return False
        return self._generation == _process.generation()

    def wait(self, limit: int | None, in_main_thread: bool) -> bool:
        """Gives the mutex back, waits, and takes it again."""
        self.is_waiting = True
        try:
            return self.inner.wait(limit, in_main_thread)
        finally:
            self.is_waiting = False

    def end(self, *, must_wait: bool) -> None:
        """For the end of the program."""
        if must_wait:
            self.inner.unlock()

    def release(self) -> None:
        """Raises LockLost if it is known to be lost. Twice does nothing."""
        brief(self._unlock)

    async def release_async(self) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(self._unlock, finish=True)

    def _unlock(self) -> None:
        is_again, self._is_released = self._is_released, True
        if is_again:
            return
        try:
            self.inner.ensure_held()
        finally:
            self.inner.unlock()

    def __del__(self) -> None:
        if self.held:
            report_dropped(self._name, self)
            brief(self.inner.unlock)


class ConditionVariable(Blocks[_Hold], AsyncBlocks[_Hold]):
    """A mutex, and waiting under it until another program says that something has changed.

        with ConditionVariable(redis_client, "jobs") as filled:
            filled.wait_for(lambda: there_is_a_job(), timeout=10)

    Its mutex is the lock of that name: a Mutex or DistributedLock of the same name excludes its
    holder. `notify()` needs no mutex. Waits may end without a notification: use wait_for(), or look
    again. While one waits anybody may hold the mutex, so `fence` is another one afterwards. Options
    as those of Mutex. Thread-safe: threads may share one object; whose the mutex is, and who may
    wait with it and release it, is as of DistributedLock."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: Seconds = DEFAULT_TTL, *,
                 max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, True, max_hold, min_replicas, replication_timeout)

        def make(inner: _dlock.Client) -> _dlock.Condition:
            return _dlock.Condition(inner, lock_name, terms)

        self._inner = PerProcess(client, lock_name, prefix, make)
        self._make = make
        self._born = _process.generation()
        self._ownership: Ownership[_Hold] = Ownership()

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def acquire(self, blocking: bool = True, timeout: Seconds | None = None) -> bool:
        """As DistributedLock.acquire()."""
        return self._acquire(blocking, timeout, caller(), is_block=False)

    def _acquire(self, blocking: bool, timeout: Seconds | None, who: Caller, *, is_block: bool
                 ) -> bool:
        inner = self._new(who)
        return self._got(inner, waiting(partial(inner.lock, _limit(blocking, timeout))), who,
                         is_block, None)

    @coroutine_function
    def acquire_async(self, blocking: bool = True, timeout: Seconds | None = None
                      ) -> Coroutine[Any, Any, bool]:
        """The same in asyncio: held by the task that calls. A cancellation ends the wait."""
        return self._acquire_async(blocking, timeout, caller(), is_block=False)

    async def _acquire_async(self, blocking: bool, timeout: Seconds | None, who: Caller, *,
                             is_block: bool) -> bool:
        inner = self._new(caller())
        got = await in_thread(partial(inner.lock, _limit(blocking, timeout), False))
        return self._got(inner, got, who, is_block, who.task or current_task())

    def _new(self, who: Caller) -> _dlock.Condition:
        self._owners().refuse_second(self.name, who)
        return self._make(self._inner.client())  # each holder has its own

    def _got(self, inner: _dlock.Condition, got: bool, who: Caller, is_block: bool,
             task: asyncio.Task[object] | None) -> bool:
        if got:
            self._owners().add(Entry(_Hold(inner, self.name), self.name, who, is_block, task), who)
        return got

    def release(self) -> None:
        """As DistributedLock.release(), but Unreachable, and a loss that the release is the first to
        see, go to the log."""
        self._release()

    @coroutine_function
    def release_async(self) -> Coroutine[Any, Any, None]:
        """The same in asyncio. A cancellation does not stop it."""
        return self._release_async(caller())

    @property
    def fence(self) -> int:
        """As Lease.fence, of the mutex."""
        return self._own().inner.fence()

    def ensure_held(self) -> None:
        """As Lease.ensure_held(), of the mutex."""
        self._own().inner.ensure_held()

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Gives the mutex back, waits for a notification, and takes it again. False when `timeout`
        seconds passed, before that wait for the mutex. Ctrl-C ends the wait, with the mutex held.
        Raises UsageError without the mutex, and LockLost if it was lost before."""
        return waiting(partial(self._own().wait, limit_of(timeout)), finish=True)

    @coroutine_function
    def wait_async(self, timeout: Seconds | None = None) -> Coroutine[Any, Any, bool]:
        """The same in asyncio. A cancellation ends the wait, with the mutex held."""
        return in_thread(partial(self._own().wait, limit_of(timeout), False), finish=True)

    def wait_for(self, predicate: Callable[[], T], timeout: Seconds | None = None) -> T:
        """Waits until `predicate()`, called with the mutex held, is true, at most `timeout` seconds.
        Returns what it said last."""
        deadline = _deadline(timeout)
        result = predicate()
        while not result and (left := deadline()) != 0:
            self.wait(left)
            result = predicate()
        return result

    @coroutine_function
    def wait_for_async(self, predicate: Callable[[], T], timeout: Seconds | None = None
                       ) -> Coroutine[Any, Any, T]:
        """The same in asyncio."""
        return self._wait_for_async(predicate, timeout, self._own())

    async def _wait_for_async(self, predicate: Callable[[], T], timeout: Seconds | None,
                              hold: _Hold) -> T:
        deadline = _deadline(timeout)
        result = predicate()
        while not result and (left := deadline()) != 0:
            await in_thread(partial(hold.wait, limit_of(left), False), finish=True)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes the `n` who have waited longest."""
        for _ in range(n):
            brief(partial(self._inner.get().notify, False))

    async def notify_async(self, n: int = 1) -> None:
        """The same in asyncio. A cancellation does not stop what has begun."""
        for _ in range(n):
            await in_thread(partial(self._inner.get().notify, False), finish=True)

    def notify_all(self) -> None:
        """Wakes all who wait now."""
        brief(partial(self._inner.get().notify, True))

    async def notify_all_async(self) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(partial(self._inner.get().notify, True), finish=True)

    def _enter(self, who: Caller) -> None:
        if not self._acquire(True, None, who, is_block=True):
            raise Late(self._inner, None).error()

    async def _enter_async(self, who: Caller) -> None:
        if not await self._acquire_async(True, None, who, is_block=True):
            raise Late(self._inner, None).error()

    def _owners(self) -> Ownership[_Hold]:
        if self._born != _process.generation():  # a fork holds nothing
            self._born, self._ownership = _process.generation(), Ownership()
        return self._ownership

    def _own(self) -> _Hold:
        entry = self._owners().of(caller())
        if entry is None:
            raise self._owners().absence(quoted(self.name))
        return entry.lease


def _limit(blocking: bool, timeout: Seconds | None) -> int | None:
    if not blocking:
        return 0
    return None if timeout is None or seconds_of(timeout) == -1 else limit_of(timeout)


def _deadline(timeout: Seconds | None) -> Callable[[], float | None]:
    """Says what is left, in seconds; None if there is no end."""
    if timeout is None:
        return lambda: None
    end = time.monotonic() + seconds_of(timeout)
    return lambda: max(end - time.monotonic(), 0.0)
