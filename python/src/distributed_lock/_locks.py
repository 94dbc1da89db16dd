"""The locks that hand out leases: Mutex, SharedMutex, Semaphore; for threads and for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType

from . import _dlock, _process
from ._errors import (
    TIMED_OUT,
    DistributedLockError,
    LockBusy,
    LockTimeout,
    UsageError,
    made_of,
)
from ._lease import Lease, in_main_thread, milliseconds, note_failed_release
from ._store import Store, url_of

DEFAULT_TTL = 30.0
DEFAULT_REPLICATION_TIMEOUT = 1.0
_YEAR = 366 * 24 * 3600.0  # no wait is longer: that is for ever


def limit_of(timeout: float | None) -> int | None:
    """A wait limit as the library has it: None is none."""
    return None if timeout is None or timeout > _YEAR else milliseconds(timeout)


def terms_of(ttl: float, renew: bool, max_hold: float | None, min_replicas: int,
             replication_timeout: float) -> _dlock.Terms:
    """What all locks have, as the library has it."""
    return (milliseconds(ttl), renew, limit_of(max_hold), min_replicas,
            milliseconds(replication_timeout))


class Side:
    """One way into a lock, with what makes it in each process: a fork needs its own."""

    def __init__(self, store: Store, name: str, prefix: str,
                 make: Callable[[_dlock.Client], _dlock.Door]) -> None:
        if not name:
            raise UsageError("lock_name is missing, or empty")
        self.name = name
        self._url = url_of(store)
        self._prefix = prefix
        self._make = make
        self._door: tuple[int, _dlock.Door] | None = None
        self.door()  # so that wrong settings are told now

    def client(self) -> _dlock.Client:
        return _process.client(self._url, self._prefix)

    def door(self) -> _dlock.Door:
        generation = _process.generation()
        if self._door is None or self._door[0] != generation:
            self._door = (generation, self._make(self.client()))
        return self._door[1]

    def acquire(self, timeout: float | None) -> Lease | None:
        """None when the time has passed, or at once with a timeout of 0."""
        lease = self.door().acquire(limit_of(timeout), in_main_thread())
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
        self.door().start(limit_of(timeout), done, stop)
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


def checked(lease: Lease | None, name: str, timeout: float | None) -> Lease:
    """The lease, or the exception for its absence."""
    if lease is not None:
        return lease
    if timeout is not None and timeout <= 0:
        raise LockBusy(f'the lock "{name}" is not free')
    raise LockTimeout(f'the lock "{name}" did not become free within {timeout} s')


class LeaseSource:
    """What the locks have in common: each acquisition is a Lease of its own, with its fence.
    Thread-safe. Timeouts are in seconds, None is for ever, 0 only tries.

    Errors: LockTimeout, LockBusy, Unreachable, Refused, StoreUnusable, UsageError."""

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


class Mutex(LeaseSource):
    """A named mutual exclusion between all programs that use one server.

    `lock_ttl`: how long the lock outlives a dead holder, in seconds; it is renewed meanwhile.
    `renew=False`: how long the holder has. `max_hold`: the longest time to hold it, renewed or not.
    `prefix` is put before the name to make the key. `min_replicas`: it counts as acquired when so
    many replicas have it too; if they do not within `replication_timeout` seconds, it is given back,
    and StoreUnusable raised."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 renew: bool = True, max_hold: float | None = None, prefix: str = "",
                 min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        super().__init__(mutex_side(client, lock_name, prefix, terms_of(
            lock_ttl, renew, max_hold, min_replicas, replication_timeout)))


class SharedMutex:
    """A reader-writer lock: any number of readers, or one writer; both in order of arrival.
    Options as those of Mutex."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 renew: bool = True, max_hold: float | None = None, prefix: str = "",
                 min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        self.read = LeaseSource(Side(client, lock_name, prefix, lambda inner: _dlock.reader(
            inner, lock_name, terms)))
        self.write = LeaseSource(Side(client, lock_name, prefix, lambda inner: _dlock.writer(
            inner, lock_name, terms)))


class Semaphore:
    """At most so many permits at once; those of a dead holder come back after its ttl. Served in
    order of arrival, whatever the weight. All must say the same number. Options as those of Mutex.
    """

    def __init__(self, client: Store = None, lock_name: str = "", permits: int = 1,
                 lock_ttl: float = DEFAULT_TTL, *, renew: bool = True,
                 max_hold: float | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)

        def weighing(weight: int) -> LeaseSource:
            return LeaseSource(Side(client, lock_name, prefix, lambda inner: _dlock.permits(
                inner, lock_name, permits, weight, terms)))

        self._weighing = weighing
        self._one = weighing(1)

    def acquire(self, weight: int = 1, timeout: float | None = None) -> Lease:
        """As Mutex.acquire()."""
        return self._of(weight).acquire(timeout)

    def try_acquire(self, weight: int = 1, timeout: float = 0) -> Lease | None:
        """As Mutex.try_acquire()."""
        return self._of(weight).try_acquire(timeout)

    def acquire_async(self, weight: int = 1, timeout: float | None = None) -> AsyncLease:
        """As Mutex.acquire_async()."""
        return self._of(weight).acquire_async(timeout)

    def _of(self, weight: int) -> LeaseSource:
        return self._one if weight == 1 else self._weighing(weight)


def mutex_side(client: Store, name: str, prefix: str, terms: _dlock.Terms) -> Side:
    """The one way into a mutex."""
    return Side(client, name, prefix, lambda inner: _dlock.mutex(inner, name, terms))
