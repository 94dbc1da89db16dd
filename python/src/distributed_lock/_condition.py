"""ConditionVariable: what threading.Condition is to threads, for programs everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from . import _dlock, _process
from ._errors import DistributedLockError, UsageError
from ._lease import in_main_thread, limit_of, release_after, report_dropped
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of, timed_out
from ._ownership import Entry, Ownership, caller
from ._per_process import PerProcess
from ._store import Store

T = TypeVar("T")


class _Hold:
    """The mutex as one holder has it; given back at the end of the program at the latest."""

    def __init__(self, inner: _dlock.Condition, name: str) -> None:
        self.inner = inner
        self.is_waiting = False
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

    def release(self) -> None:
        self.inner.unlock()

    def __del__(self) -> None:
        if self.held:
            report_dropped(self._name, self)
            self.release()


class ConditionVariable:
    """A mutex, and waiting under it until another program says that something has changed.

        with ConditionVariable(redis_client, "jobs") as filled:
            filled.wait_for(lambda: there_is_a_job(), timeout=10)

    Its mutex is the lock of that name: a Mutex or DistributedLock of the same name excludes its
    holder. `notify()` needs no mutex. Waits may end without a notification: use wait_for(), or look
    again. While one waits anybody may hold the mutex, so `fence` is another one afterwards. Options
    as those of Mutex. Thread-safe: threads may share one object; whose the mutex is, and who may
    wait with it and release it, is as of DistributedLock."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 max_hold: float | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, True, max_hold, min_replicas, replication_timeout)

        def make(inner: _dlock.Client) -> _dlock.Condition:
            return _dlock.Condition(inner, lock_name, terms)

        self._make = make
        self._inner = PerProcess(client, lock_name, prefix, self._make)
        self._born = _process.generation()
        self._ownership: Ownership[_Hold] = Ownership()

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """As DistributedLock.acquire()."""
        return self._acquire(blocking, timeout, is_block=False)

    def _acquire(self, blocking: bool, timeout: float | None, *, is_block: bool) -> bool:
        who = caller()
        self._owners().refuse_second(self.name, who)
        inner = self._make(self._inner.client())  # each holder has its own
        limit = limit_of(None if timeout == -1 else timeout) if blocking else 0
        if not inner.lock(limit, in_main_thread()):
            return False
        self._owners().add(Entry(_Hold(inner, self.name), self.name, who, is_block), who)
        return True

    def release(self) -> None:
        """As DistributedLock.release(), but for Unreachable, which goes to the log."""
        _give_back(self._owners().take(caller(), self.name).lease)

    @property
    def fence(self) -> int:
        """As Lease.fence, of the mutex."""
        return self._own().inner.fence()

    def ensure_held(self) -> None:
        """As Lease.ensure_held(), of the mutex."""
        self._own().inner.ensure_held()

    def wait(self, timeout: float | None = None) -> bool:
        """Gives the mutex back, waits for a notification, and takes it again. False when `timeout`
        seconds passed, before that wait for the mutex. Ctrl-C ends the wait, with the mutex held.
        Raises UsageError without the mutex, and LockLost if it was lost before."""
        hold = self._own()
        hold.is_waiting = True
        try:
            return hold.inner.wait(limit_of(timeout), in_main_thread())
        finally:
            hold.is_waiting = False

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Waits until `predicate()`, called with the mutex held, is true, at most `timeout` seconds.
        Returns what it said last."""
        end = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wakes the `n` who have waited longest."""
        for _ in range(n):
            self._inner.get().notify(False)

    def notify_all(self) -> None:
        """Wakes all who wait now."""
        self._inner.get().notify(True)

    def __enter__(self) -> ConditionVariable:
        if not self._acquire(True, None, is_block=True):
            raise timed_out(self.name, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        hold = self._owners().take_block(caller(), self.name).lease
        release_after(lambda: _give_back(hold), error)

    def _owners(self) -> Ownership[_Hold]:
        if self._born != _process.generation():  # a fork holds nothing
            self._born, self._ownership = _process.generation(), Ownership()
        return self._ownership

    def _own(self) -> _Hold:
        entry = self._owners().of(caller())
        if entry is None:
            raise UsageError(f'the lock "{self.name}" is not held here')
        return entry.lease


def _give_back(hold: _Hold) -> None:
    try:
        hold.inner.ensure_held()
    finally:
        hold.release()
