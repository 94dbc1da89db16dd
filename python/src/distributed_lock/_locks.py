"""The locks that hand out leases: Mutex, SharedMutex, Semaphore; for threads and for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from . import _dlock
from ._decorators import Args, Block, Kwargs, decorated
from ._errors import (
    TIMED_OUT,
    LockBusy,
    LockTimeout,
    UsageError,
    made_of,
)
from ._lease import Lease, ignore
from ._names import NameOf, Naming, name_of, naming_of, quoted
from ._ownership import Caller, Entry, Ownership, caller, coroutine_function, current_task
from ._per_process import OfProcess, PerProcess
from ._release import release_after, release_after_async
from ._spans import Seconds, limit_of, milliseconds, seconds_of, ttl_of
from ._store import Store
from ._waits import blocking, running_loop

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TTL = 30.0
DEFAULT_REPLICATION_TIMEOUT = 1.0


def terms_of(ttl: Seconds, renew: bool, max_hold: Seconds | None, min_replicas: int,
             replication_timeout: Seconds) -> _dlock.Terms:
    """What all locks have, as the library has it."""
    return (ttl_of(ttl), renew, limit_of(max_hold, "max_hold"), min_replicas,
            milliseconds(replication_timeout, "replication_timeout"))


class Side(PerProcess[_dlock.Door]):
    """One way into a lock. `excludes_itself`: nobody can have two of it."""

    def __init__(self, store: Store, name: str, prefix: str,
                 make: Callable[[_dlock.Client], _dlock.Door], *,
                 excludes_itself: bool = True) -> None:
        super().__init__(store, name, prefix, make)
        self.excludes_itself = excludes_itself

    def acquire(self, timeout: Seconds | None) -> Lease | None:
        """None when the time has passed, or at once with a timeout of 0."""
        door, limit = self.get(), limit_of(timeout)
        lease = blocking(lambda in_main_thread: door.acquire(limit, in_main_thread))
        return None if lease is None else Lease(lease, self.name)

    async def acquire_async(self, timeout: Seconds | None) -> Lease | None:
        loop = running_loop()
        answer: asyncio.Future[Lease | None] = loop.create_future()

        def deliver(lease: Lease | None, code: int, what: str) -> None:
            if answer.done():  # cancelled meanwhile
                if lease is not None:
                    lease._lease.release_later(ignore)
            elif code not in (0, TIMED_OUT):
                answer.set_exception(made_of(code, what))
            else:
                answer.set_result(lease)

        def done(lease: _dlock.Lease | None, code: int, what: str) -> None:
            held = None if lease is None else Lease(lease, self.name)
            try:
                loop.call_soon_threadsafe(deliver, held, code, what)
            except RuntimeError:  # the loop is closed
                if held is not None:
                    held._lease.release_later(ignore)

        stop = _dlock.Stop()
        self.get().start(limit_of(timeout), done, stop)
        try:
            return await answer
        except BaseException:  # cancelled, or the loop has ended
            stop.request()
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                lease = answer.result()  # it came in the same turn of the loop
                if lease is not None:
                    lease._lease.release_later(ignore)
            raise


class Acquisitions:
    """What is acquired by one object, of `side`: who holds what."""

    def __init__(self) -> None:
        self.ownership: Ownership[Lease] = Ownership()

    def acquire(self, side: Side, timeout: Seconds | None, who: Caller, *, is_block: bool
                ) -> Entry[Lease] | None:
        """For the thread that calls."""
        if side.excludes_itself:
            self.ownership.refuse_second(side.name, who)
        lease = side.acquire(timeout)
        return None if lease is None else self._added(lease, who, is_block, None)

    async def acquire_async(self, side: Side, timeout: Seconds | None, who: Caller, *,
                            is_block: bool) -> Entry[Lease] | None:
        """For the task that called, whatever other one waits in its place."""
        if side.excludes_itself:
            self.ownership.refuse_second(side.name, caller())
        lease = await side.acquire_async(timeout)
        if lease is None:
            return None
        return self._added(lease, who, is_block, who.task or current_task())

    def _added(self, lease: Lease, who: Caller, is_block: bool,
               task: asyncio.Task[object] | None) -> Entry[Lease]:
        entry = Entry(lease, lease.name, who, is_block, task)
        self.ownership.add(entry, who)
        return entry


class Hold:
    """A block that holds a lease, once; for threads and for asyncio. It may end elsewhere."""

    def __init__(self, acquisitions: Acquisitions, side: Side, timeout: Seconds | None) -> None:
        self._acquisitions = acquisitions
        self._side = side
        self._timeout = timeout
        self._entry: Entry[Lease] | None = None
        self._is_over = False

    def __enter__(self) -> None:
        self._entry = self._acquisitions.acquire(self._side, self._timeout, caller(), is_block=True)
        if self._entry is None:  # else no call: a signal handler may raise in it
            raise timed_out(self._side.name, self._timeout)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(lambda: self._given_up().release(), error)

    async def __aenter__(self) -> None:
        self._entry = checked(
            await self._acquisitions.acquire_async(self._side, self._timeout, caller(),
                                                   is_block=True),
            self._side.name, self._timeout)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        async def release() -> None:
            await self._given_up().release_async()

        await release_after_async(release, error)

    def _given_up(self) -> Lease:
        entry, is_again, self._is_over = self._entry, self._is_over, True
        assert entry is not None
        if not self._acquisitions.ownership.remove(entry) and not is_again:
            raise UsageError(f"the lock {quoted(entry.name)} was released in the block that holds it")
        return entry.lease


class AsyncLease:
    """`async with` around one lease: what the acquire_async() of the locks returns. May be entered
    again, and by several tasks: each has a lease of its own."""

    def __init__(self, side: Side, timeout: Seconds | None) -> None:
        self._side = side
        self._timeout = timeout
        self._acquisitions = Acquisitions()

    @coroutine_function
    def __aenter__(self) -> Coroutine[Any, Any, Lease]:
        return self._enter(caller())

    async def _enter(self, who: Caller) -> Lease:
        entry = await self._acquisitions.acquire_async(self._side, self._timeout, who,
                                                       is_block=True)
        return checked(entry, self._side.name, self._timeout).lease

    @coroutine_function
    def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                  trace: TracebackType | None) -> Coroutine[Any, Any, None]:
        return self._exit(caller(), error)

    async def _exit(self, who: Caller, error: BaseException | None) -> None:
        async def release() -> None:
            entry = self._acquisitions.ownership.take_block(who, self._side.name, [])
            await entry.lease.release_async()

        await release_after_async(release, error)


def timed_out(name: str, timeout: Seconds | None) -> LockTimeout:
    """What says that a lock was not to be had in that time."""
    if timeout is not None and seconds_of(timeout) <= 0:
        return LockBusy(f"the lock {quoted(name)} is not free")
    return LockTimeout(f"the lock {quoted(name)} did not become free within {timeout}"
                       f"{'' if isinstance(timeout, timedelta) else ' s'}")


def checked(lease: T | None, name: str, timeout: Seconds | None) -> T:
    """The lease, or the exception for its absence."""
    if lease is None:
        raise timed_out(name, timeout)
    return lease


class Sides(OfProcess):
    """The way into a lock: of one name, or in a decorator of those that the arguments make."""

    def __init__(self, lock_name: str, name: Naming, make: Callable[[str], Side]) -> None:
        self._naming = naming_of(lock_name, name)
        self._make = make
        # With names to come it only checks the settings, which are wrong where they are written.
        self._one = make("name" if callable(self._naming) else self._naming)
        self.is_fixed = name is None or (isinstance(name, str) and not set(name) & set("{}"))

    @property
    def label(self) -> str:
        """The name, or how it is made, for a reader."""
        return quoted(self._one.name) if self.is_fixed else f"name={self._naming!r}"

    @property
    def one(self) -> Side:
        """Raises UsageError if the name comes from arguments."""
        if not self.is_fixed:
            raise UsageError("the name of this lock comes from the arguments of a function: use it "
                             "as a decorator, or say lock_name")
        return self._one

    def for_calls_of(self, function: Callable[..., object]) -> Callable[[Args, Kwargs], Side]:
        """Raises UsageError if the function has no such arguments."""
        if self.is_fixed:
            return lambda args, kwargs: self._one
        name: NameOf = name_of(self._naming, function)
        return lambda args, kwargs: self._make(name(args, kwargs))

    def held_by(self, function: Callable[P, R], acquisitions: Acquisitions, timeout: Seconds | None,
                *, is_async: bool = False) -> Callable[P, R]:
        """The function, decorated."""

        def block_for(inner: Callable[..., object]) -> Callable[[Args, Kwargs], Block]:
            side = self.for_calls_of(inner)
            return lambda args, kwargs: Hold(acquisitions, side(args, kwargs), timeout)

        return decorated(function, block_for, is_async=is_async)


class LeaseSource:
    """What the locks have in common: each acquisition is a Lease of its own, with its fence.
    Thread-safe. Timeouts are in seconds, None is for ever, 0 only tries.

    Errors: LockTimeout, LockBusy, Unreachable, Refused, StoreUnusable with NotReplicated, UsageError.
    """

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._sides.one.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._sides.label}>"

    def acquire(self, timeout: Seconds | None = None) -> Lease:
        """Waits for a lease. Ctrl-C ends the wait."""
        return checked(self._sides.one.acquire(timeout), self.name, timeout)

    def try_acquire(self, timeout: Seconds = 0) -> Lease | None:
        """None instead of LockTimeout and LockBusy."""
        return self._sides.one.acquire(timeout)

    def acquire_async(self, timeout: Seconds | None = None) -> AsyncLease:
        """For `async with`: waits without a thread."""
        return AsyncLease(self._sides.one, timeout)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A decorator: a lease is held exactly while the body runs. Of functions, coroutine
        functions, generators and asynchronous ones, methods, and objects that are called like
        these; UsageError for others. A call that is made in the body of the same waits for itself:
        UsageError, if the lock excludes it."""
        return self._sides.held_by(function, Acquisitions(), None)


class Mutex(LeaseSource):
    """A named mutual exclusion between all programs that use one server.

    `lock_ttl`: how long the lock outlives a dead holder, in seconds; it is renewed meanwhile.
    `renew=False`: how long the holder has. `max_hold`: the longest time to hold it, renewed or not.
    `prefix` is put before the name to make the key. `min_replicas`: it counts as acquired when so
    many replicas have it too; if they do not within `replication_timeout` seconds, it is given back,
    and NotReplicated raised. `name`, instead of `lock_name`: for decorators, as of DistributedLock.
    """

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: Seconds = DEFAULT_TTL, *,
                 name: Naming = None, renew: bool = True, max_hold: Seconds | None = None,
                 prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        super().__init__(mutex_sides(client, lock_name, name, prefix, terms))


def mutex_sides(client: Store, lock_name: str, name: Naming, prefix: str, terms: _dlock.Terms
                ) -> Sides:
    """The one way into a mutex."""
    return Sides(lock_name, name, lambda each: Side(
        client, each, prefix, lambda inner: _dlock.mutex(inner, each, terms)))
