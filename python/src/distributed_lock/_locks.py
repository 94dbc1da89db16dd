"""The locks that hand out leases: Mutex, SharedMutex, Semaphore; for threads and for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import ParamSpec, TypeVar, cast

from . import _dlock
from ._errors import (
    TIMED_OUT,
    DistributedLockError,
    LockBusy,
    LockTimeout,
    made_of,
)
from ._lease import Lease, in_main_thread, limit_of, milliseconds, note_failed_release
from ._per_process import PerProcess
from ._store import Store

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TTL = 30.0
DEFAULT_REPLICATION_TIMEOUT = 1.0


def terms_of(ttl: float, renew: bool, max_hold: float | None, min_replicas: int,
             replication_timeout: float) -> _dlock.Terms:
    """What all locks have, as the library has it."""
    return (milliseconds(ttl), renew, limit_of(max_hold), min_replicas,
            milliseconds(replication_timeout))


class Side(PerProcess[_dlock.Door]):
    """One way into a lock."""

    def acquire(self, timeout: float | None) -> Lease | None:
        """None when the time has passed, or at once with a timeout of 0."""
        lease = self.get().acquire(limit_of(timeout), in_main_thread())
        return None if lease is None else Lease(lease, self.name)

    async def acquire_async(self, timeout: float | None) -> Lease | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Lease | None] = loop.create_future()

        def deliver(lease: Lease | None, code: int, what: str) -> None:
            if answer.done():  # cancelled meanwhile
                if lease is not None:
                    lease._lease.release_later(_ignore)
            elif code not in (0, TIMED_OUT):
                answer.set_exception(made_of(code, what))
            else:
                answer.set_result(lease)

        def done(lease: _dlock.Lease | None, code: int, what: str) -> None:
            held = None if lease is None else Lease(lease, self.name)
            try:
                loop.call_soon_threadsafe(deliver, held, code, what)
            except RuntimeError:  # the loop is closed: the lease is dropped, and so released
                pass

        stop = _dlock.Stop()
        self.get().start(limit_of(timeout), done, stop)
        try:
            return await answer
        except BaseException:  # cancelled, or the loop has ended
            stop.request()
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                lease = answer.result()  # it came in the same turn of the loop
                if lease is not None:
                    lease._lease.release_later(_ignore)
            raise


def _ignore(code: int, what: str) -> None:
    """Of a release that nobody waits for: what is unknown is repeated by the library."""


async def release_async(lease: Lease) -> None:
    """Lease.release() without blocking the loop. A cancellation does not stop the release."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()

    def deliver(code: int, what: str) -> None:
        if answer.done():
            return
        if code == 0:
            answer.set_result(None)
        else:
            answer.set_exception(made_of(code, f'the release of "{lease.name}": {what}'))

    def done(code: int, what: str) -> None:
        try:
            loop.call_soon_threadsafe(deliver, code, what)
        except RuntimeError:  # the loop is closed
            pass

    lease._lease.release_later(done)
    await answer


class AsyncLease:
    """`async with` around one lease: what the acquire_async() of the locks returns."""

    def __init__(self, side: Side, timeout: float | None) -> None:
        self._side = side
        self._timeout = timeout
        self._lease: Lease | None = None

    async def __aenter__(self) -> Lease:
        lease = await self._side.acquire_async(self._timeout)
        self._lease = checked(lease, self._side.name, self._timeout)
        return self._lease

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._lease is not None:
            await release_after_async(partial(release_async, self._lease), error)


async def release_after_async(release: Callable[[], Awaitable[None]],
                              error: BaseException | None) -> None:
    """Releases; if that fails and the body failed before, the body's exception goes on alone."""
    try:
        await release()
    except DistributedLockError as failed:
        if error is None:
            raise
        note_failed_release(error, failed)


def timed_out(name: str, timeout: float | None) -> LockTimeout:
    """What says that a lock was not to be had in that time."""
    if timeout is not None and timeout <= 0:
        return LockBusy(f'the lock "{name}" is not free')
    return LockTimeout(f'the lock "{name}" did not become free within {timeout} s')


def checked(lease: T | None, name: str, timeout: float | None) -> T:
    """The lease, or the exception for its absence."""
    if lease is None:
        raise timed_out(name, timeout)
    return lease


def holding(function: Callable[P, R], acquire: Callable[[], Lease],
            acquire_async: Callable[[], AsyncLease]) -> Callable[P, R]:
    """`function`, each call of which holds what is acquired for it."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with acquire():
            return function(*args, **kwargs)

    @wraps(function)
    async def call_async(*args: P.args, **kwargs: P.kwargs) -> object:
        async with acquire_async():
            return await cast("Awaitable[object]", function(*args, **kwargs))

    return cast("Callable[P, R]", call_async) if iscoroutinefunction(function) else call


class LeaseSource:
    """What the locks have in common: each acquisition is a Lease of its own, with its fence.
    Thread-safe. Timeouts are in seconds, None is for ever, 0 only tries.

    Errors: LockTimeout, LockBusy, Unreachable, Refused, StoreUnusable with NotReplicated, UsageError.
    """

    def __init__(self, side: Side) -> None:
        self._side = side

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._side.name

    def acquire(self, timeout: float | None = None) -> Lease:
        """Waits for a lease. Ctrl-C ends the wait."""
        return checked(self._side.acquire(timeout), self.name, timeout)

    def try_acquire(self, timeout: float = 0) -> Lease | None:
        """None instead of LockTimeout and LockBusy."""
        return self._side.acquire(timeout)

    def acquire_async(self, timeout: float | None = None) -> AsyncLease:
        """For `async with`: waits without a thread."""
        return AsyncLease(self._side, timeout)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A decorator: each call holds a lease. Of coroutine functions, too."""
        return holding(function, self.acquire, self.acquire_async)


class Mutex(LeaseSource):
    """A named mutual exclusion between all programs that use one server.

    `lock_ttl`: how long the lock outlives a dead holder, in seconds; it is renewed meanwhile.
    `renew=False`: how long the holder has. `max_hold`: the longest time to hold it, renewed or not.
    `prefix` is put before the name to make the key. `min_replicas`: it counts as acquired when so
    many replicas have it too; if they do not within `replication_timeout` seconds, it is given back,
    and NotReplicated raised."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 renew: bool = True, max_hold: float | None = None, prefix: str = "",
                 min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        super().__init__(mutex_side(client, lock_name, prefix, terms_of(
            lock_ttl, renew, max_hold, min_replicas, replication_timeout)))


def mutex_side(client: Store, name: str, prefix: str, terms: _dlock.Terms) -> Side:
    """The one way into a mutex."""
    return Side(client, name, prefix, lambda inner: _dlock.mutex(inner, name, terms))
