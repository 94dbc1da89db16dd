"""Semaphore: permits that programs everywhere share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, TypeVar, overload

from . import _dlock
from ._lease import Lease
from ._locks import (
    DEFAULT_REPLICATION_TIMEOUT,
    DEFAULT_TTL,
    AsyncLease,
    LeaseSource,
    NamedSource,
    NamedSources,
    refuse,
    terms_of,
)
from ._names import Naming
from ._ownership import coroutine_function
from ._per_process import PerProcess
from ._spans import Seconds
from ._store import Store
from ._waits import brief, in_thread

P = ParamSpec("P")
R = TypeVar("R")


class Semaphore:
    """Hands out at most `permits` permits at once; those of a dead holder come back after its ttl.
    Serves waiters in order of arrival, whatever their weight. All must say the same number. Options
    as those of Mutex.
    """

    def __init__(self, client: Store = None, lock_name: str = "", permits: int = 1,
                 lock_ttl: Seconds = DEFAULT_TTL, *, name: Naming = None,
                 wait: Seconds | None = None, renew: bool = True, max_hold: Seconds | None = None,
                 prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT,
                 **others: NoReturn) -> None:
        refuse("Semaphore", others)
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        self._permits = permits

        def make(inner: _dlock.Client, each: str) -> _dlock.Semaphore:
            return _dlock.Semaphore(inner, each, self._permits, terms)

        self._inner = PerProcess(client, lock_name or "name", prefix,
                                 lambda inner: make(inner, lock_name or "name"))

        def weighing(weight: int) -> LeaseSource:
            return LeaseSource(NamedSources(lock_name, name, wait, lambda each: NamedSource(
                client, each, prefix, lambda inner: (
                    self._inner.get() if each == lock_name else make(inner, each)).permits(weight),
                excludes_itself=False)))

        self._weighing = weighing
        self._one = self._weighing(1)

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._one.name

    def __repr__(self) -> str:
        return f"<Semaphore {self._one._sources.label}, {self._permits} permits>"

    @property
    def permits(self) -> int:
        """How many this object says there are."""
        return self._permits

    def resize(self, permits: int) -> None:
        """Changes the number of permits, here and on the server. Waiters get new permits at once;
        holders keep theirs until they release them. Clients that go on saying the old number get
        UsageError. Raises UsageError for a number out of range."""
        assert self.name  # else UsageError: there are many
        brief(partial(self._inner.get().resize, permits))
        self._permits = permits

    async def resize_async(self, permits: int) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        assert self.name
        inner = self._inner.get()

        def change() -> None:
            inner.resize(permits)
            self._permits = permits

        await in_thread(change, finish=True)

    def acquire(self, weight: int = 1, timeout: Seconds | None = None) -> Lease:
        """As Mutex.acquire()."""
        return self._of(weight).acquire(timeout)

    def try_acquire(self, weight: int = 1, timeout: Seconds = 0) -> Lease | None:
        """As Mutex.try_acquire()."""
        return self._of(weight).try_acquire(timeout)

    def acquire_async(self, weight: int = 1, timeout: Seconds | None = None) -> AsyncLease:
        """As Mutex.acquire_async()."""
        return self._of(weight).acquire_async(timeout)

    def __enter__(self) -> Lease:
        return self._one.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._one.__exit__(kind, error, trace)

    @coroutine_function
    def __aenter__(self) -> Coroutine[Any, Any, Lease]:
        return self._one.__aenter__()

    @coroutine_function
    def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                  trace: TracebackType | None) -> Coroutine[Any, Any, None]:
        return self._one.__aexit__(kind, error, trace)

    @overload
    def __call__(self, function: Callable[P, R]) -> Callable[P, R]: ...

    @overload
    def __call__(self, *, weight: int) -> LeaseSource: ...

    def __call__(self, function: Callable[P, R] | None = None, *, weight: int = 1
                 ) -> Callable[P, R] | LeaseSource:
        """A decorator, as Mutex is: `@gpus`, or `@gpus(weight=2)`."""
        return self._of(weight) if function is None else self._of(weight)(function)

    def _of(self, weight: int) -> LeaseSource:
        return self._one if weight == 1 else self._weighing(weight)
