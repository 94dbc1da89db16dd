"""DistributedLock: a lock as in `threading`, for programs everywhere; AsyncDistributedLock, in
`asyncio`."""

from __future__ import annotations

import asyncio
import functools
import threading
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from . import _process
from ._errors import UsageError
from ._lease import Lease, Lost, release_after
from ._locks import (
    DEFAULT_REPLICATION_TIMEOUT,
    DEFAULT_TTL,
    checked,
    mutex_side,
    release_after_async,
    release_async,
    terms_of,
)
from ._store import Store

P = ParamSpec("P")
R = TypeVar("R")


class _Common:
    """Settings and what is told of the lease; who the holder is, subclasses know."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 timeout: float | None = None, renew: bool = True, max_hold: float | None = None,
                 prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        self._side = mutex_side(client, lock_name, prefix, terms_of(
            lock_ttl, renew, max_hold, min_replicas, replication_timeout))
        self._timeout = timeout
        self._renew = renew

    def _kept(self) -> Lease | None:
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._side.name

    @property
    def lease(self) -> Lease:
        """What the caller holds; it may be used in other threads. UsageError: it holds nothing."""
        lease = self._kept()
        if lease is None:
            raise UsageError(f'the lock "{self.name}" is not held here')
        return lease

    @property
    def fence(self) -> int:
        """As Lease.fence."""
        return self.lease.fence

    @property
    def lost(self) -> Lost:
        """As Lease.lost."""
        return self.lease.lost

    @property
    def valid_for(self) -> float:
        """As Lease.valid_for; 0 if the caller holds nothing."""
        lease = self._kept()
        return 0.0 if lease is None else lease.valid_for

    @property
    def held(self) -> bool:
        """Whether the caller holds it."""
        lease = self._kept()
        return lease is not None and lease.held

    def ensure_held(self) -> None:
        """As Lease.ensure_held()."""
        self.lease.ensure_held()

    def extend(self, additional_time: float = 0, replace_ttl: bool = False) -> bool:
        """For programs written for redis-py's Lock: nothing needs to be extended, as the lease is
        renewed for as long as it is held, and it never outlives its holder by more than `lock_ttl`,
        whatever the arguments say. Returns True while it is held. Raises LockLost if it is not any
        more, and UsageError with `renew=False`, which is to end in any case."""
        lease = self.lease
        if not self._renew:
            raise UsageError(f'the lock "{self.name}" was made with renew=False, and is not extended: '
                             'leave the renewal on, with max_hold where it is to end')
        lease.ensure_held()
        return True

    def reacquire(self) -> bool:
        """As extend(), for the same programs."""
        return self.extend()

    def _limit(self, blocking: bool, timeout: float | None) -> float | None:
        if not blocking:
            if timeout is not None and timeout != -1:
                raise UsageError("a timeout makes no sense when blocking is False")
            return 0
        if timeout == -1:  # as in `threading`
            return None
        if timeout is not None and timeout < 0:
            raise UsageError(f"the timeout is negative: {timeout}")
        return self._timeout if timeout is None else timeout

    def _refuse_second(self) -> None:
        lease = self._kept()
        if lease is not None and lease.held:
            raise UsageError(f'the lock "{self.name}" is held here already: it would wait for '
                             'itself')


class DistributedLock(_Common):
    """Mutual exclusion between all programs that use one server.

        with DistributedLock(redis_client, lock_name="register_user", lock_ttl=30):
            ...

    `client`: a redis.Redis, whose settings are taken over; a URL; or None for $DLOCK_URL, and
    without it a private server on this machine. `lock_ttl` in seconds: how long the lock outlives a
    dead holder, since it is renewed while the holder lives (there is nothing to extend);
    `renew=False`: how long the holder has. `timeout`: the longest wait, of `with` and of acquire()
    without one of its own. `max_hold`: the longest time to hold. `prefix` is put before the name.
    `min_replicas` and `replication_timeout`: as of Mutex.

    Thread-safe: threads may share one object, and exclude each other by it. What a thread acquired
    it must release; `lease` may be passed on. Also a decorator: each call holds the lock."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 timeout: float | None = None, renew: bool = True, max_hold: float | None = None,
                 prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        super().__init__(client, lock_name, lock_ttl, timeout=timeout, renew=renew,
                         max_hold=max_hold, prefix=prefix, min_replicas=min_replicas,
                         replication_timeout=replication_timeout)
        self._of_thread = threading.local()  # a thread that ends drops its lease: it is released

    def _kept(self) -> Lease | None:
        kept: Lease | None = getattr(self._of_thread, "lease", None)
        return kept

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Waits for the lock; False if it was not free (`blocking=False`) or did not become so in
        `timeout` seconds. Ctrl-C ends the wait. Raises UsageError if this thread holds it
        already."""
        limit = self._limit(blocking, timeout)
        self._refuse_second()
        lease = self._side.acquire(limit)
        if lease is None:
            return False
        self._of_thread.lease = lease
        return True

    def release(self) -> None:
        """Gives the lock back. Raises UsageError if this thread does not hold it, else as
        Lease.release()."""
        lease = self.lease
        self._of_thread.lease = None
        lease.release()

    def locked(self) -> bool:
        """Whether anybody holds it, asked of the server."""
        return self._side.client().is_held(self.name)

    def __enter__(self) -> DistributedLock:
        self._refuse_second()
        self._of_thread.lease = checked(self._side.acquire(self._timeout), self.name, self._timeout)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(self.release, error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def holding(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return holding


class AsyncDistributedLock(_Common):
    """The same for asyncio: `async with`, waits that block neither the loop nor a thread. Tasks
    may share one object; what a task acquired it must release. `client` may be a
    redis.asyncio.Redis. Also a decorator of coroutine functions."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 timeout: float | None = None, renew: bool = True, max_hold: float | None = None,
                 prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        super().__init__(client, lock_name, lock_ttl, timeout=timeout, renew=renew,
                         max_hold=max_hold, prefix=prefix, min_replicas=min_replicas,
                         replication_timeout=replication_timeout)
        self._of_task: weakref.WeakKeyDictionary[asyncio.Task[object], Lease] = (
            weakref.WeakKeyDictionary())

    def _kept(self) -> Lease | None:
        return self._of_task.get(_this_task())

    async def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """As DistributedLock.acquire(); a cancellation ends the wait."""
        limit = self._limit(blocking, timeout)
        self._refuse_second()
        lease = await self._side.acquire_async(limit)
        if lease is None:
            return False
        self._of_task[_this_task()] = lease
        return True

    async def release(self) -> None:
        """As DistributedLock.release()."""
        lease = self.lease
        del self._of_task[_this_task()]
        await release_async(lease)

    async def locked(self) -> bool:
        """As DistributedLock.locked(); asks on a thread of the loop's pool."""
        ask = functools.partial(self._side.client().is_held, self.name)
        return await asyncio.get_running_loop().run_in_executor(None, ask)

    async def __aenter__(self) -> AsyncDistributedLock:
        self._refuse_second()
        lease = await self._side.acquire_async(self._timeout)
        self._of_task[_this_task()] = checked(lease, self.name, self._timeout)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await release_after_async(self.release, error)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(function)
        async def holding(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self:
                return await function(*args, **kwargs)

        return holding


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise UsageError("not in a task of asyncio")
    return task
