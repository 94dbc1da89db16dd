"""Semaphore: permits that programs everywhere share."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from . import _dlock
from ._lease import Lease
from ._locks import (
    DEFAULT_REPLICATION_TIMEOUT,
    DEFAULT_TTL,
    AsyncLease,
    LeaseSource,
    Side,
    holding,
    terms_of,
)
from ._per_process import PerProcess
from ._store import Store

P = ParamSpec("P")
R = TypeVar("R")


class Semaphore:
    """At most so many permits at once; those of a dead holder come back after its ttl. Served in
    order of arrival, whatever the weight. All must say the same number. Options as those of Mutex.
    """

    def __init__(self, client: Store = None, lock_name: str = "", permits: int = 1,
                 lock_ttl: float = DEFAULT_TTL, *, renew: bool = True,
                 max_hold: float | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        self._permits = permits
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Semaphore(
            inner, lock_name, self._permits, terms))

        def weighing(weight: int) -> LeaseSource:
            return LeaseSource(Side(client, lock_name, prefix,
                                    lambda _: self._inner.get().door(weight)))

        self._weighing = weighing
        self._one = self._weighing(1)

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    @property
    def permits(self) -> int:
        """How many this object says there are."""
        return self._permits

    def set_permits(self, permits: int) -> None:
        """Changes the number, here and on the server. More: they go to who waits. Fewer: holders
        keep theirs until they release them. Clients that go on saying the old number are refused
        with UsageError. Raises UsageError for a number out of range."""
        self._inner.get().set_permits(permits)
        self._permits = permits

    def acquire(self, weight: int = 1, timeout: float | None = None) -> Lease:
        """As Mutex.acquire()."""
        return self._of(weight).acquire(timeout)

    def try_acquire(self, weight: int = 1, timeout: float = 0) -> Lease | None:
        """As Mutex.try_acquire()."""
        return self._of(weight).try_acquire(timeout)

    def acquire_async(self, weight: int = 1, timeout: float | None = None) -> AsyncLease:
        """As Mutex.acquire_async()."""
        return self._of(weight).acquire_async(timeout)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A decorator: each call holds one permit. Of coroutine functions, too."""
        return holding(function, self.acquire, self.acquire_async)

    def _of(self, weight: int) -> LeaseSource:
        return self._one if weight == 1 else self._weighing(weight)
