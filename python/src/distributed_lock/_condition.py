"""ConditionVariable: what threading.Condition is to threads, for programs everywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from . import _dlock, _process
from ._errors import UsageError
from ._lease import in_main_thread, limit_of, release_after
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of, timed_out
from ._per_process import PerProcess
from ._store import Store

T = TypeVar("T")


class _Hold:
    """The mutex as one thread has it; given back at the end of the program at the latest."""

    def __init__(self, inner: _dlock.Condition) -> None:
        self.inner = inner
        self.generation = _process.generation()
        _process.hold(self)

    def release(self) -> None:
        self.inner.unlock()


class ConditionVariable:
    """A mutex, and waiting under it until another program says that something has changed.

        with ConditionVariable(redis_client, "jobs") as filled:
            filled.wait_for(lambda: there_is_a_job(), timeout=10)

    Its mutex is the lock of that name: a Mutex or DistributedLock of the same name excludes its
    holder. `notify()` needs no mutex. Waits may end without a notification: use wait_for(), or look
    again. While one waits anybody may hold the mutex, so `fence` is another one afterwards. Options
    as those of Mutex. Thread-safe: threads may share one object."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 max_hold: float | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, True, max_hold, min_replicas, replication_timeout)

        def make(inner: _dlock.Client) -> _dlock.Condition:
            return _dlock.Condition(inner, lock_name, terms)

        self._make = make
        self._inner = PerProcess(client, lock_name, prefix, self._make)
        self._of_thread = threading.local()

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """As DistributedLock.acquire()."""
        if self._kept() is not None:
            raise UsageError(f'the lock "{self.name}" is held here already: it would wait for itself')
        inner = self._make(self._inner.client())  # each thread has its own
        limit = limit_of(None if timeout == -1 else timeout) if blocking else 0
        if not inner.lock(limit, in_main_thread()):
            return False
        self._of_thread.hold = _Hold(inner)
        return True

    def release(self) -> None:
        """As DistributedLock.release(), but for Unreachable, which goes to the log."""
        hold, self._of_thread.hold = self._own(), None
        try:
            hold.inner.ensure_held()
        finally:
            hold.release()

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
        return self._own().inner.wait(limit_of(timeout), in_main_thread())

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
        if not self.acquire():
            raise timed_out(self.name, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(self.release, error)

    def _kept(self) -> _Hold | None:
        hold: _Hold | None = getattr(self._of_thread, "hold", None)
        return hold if hold and hold.generation == _process.generation() else None

    def _own(self) -> _Hold:
        hold = self._kept()
        if hold is None:
            raise UsageError(f'the lock "{self.name}" is not held here')
        return hold
