"""The locks that hand out leases: Mutex, SharedMutex, Semaphore; for threads and for asyncio."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Generator
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, TypeVar

from . import _dlock
from ._decorators import Args, Block, Kwargs, decorated
from ._errors import TIMED_OUT, UsageError, made_of
from ._late import Late, in_time
from ._lease import Lease, ignore
from ._mailbox import Answer, mailbox_of
from ._names import NameOf, Naming, name_of, naming_of, quoted
from ._ownership import Caller, Entry, Ownership, caller, coroutine_function, current_task
from ._per_process import PerProcess
from ._process import OfProcess
from ._release import release_after, release_after_async
from ._spans import Seconds, limit_of, milliseconds, seconds_of, ttl_of
from ._store import Store
from ._waits import blocking, running_loop

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

DEFAULT_TTL = 30.0
DEFAULT_REPLICATION_TIMEOUT = 1.0


# What other libraries call our options: a wrong guess would be silent, and a lock that ends early.
_FOREIGN = {
    "timeout": "wait=SECONDS is the longest wait for the lock; what redis-py calls timeout is lock_ttl",
    "blocking_timeout": "say wait=SECONDS",
    "blocking": "say wait=0, or acquire(blocking=False)",
    "ttl": "say lock_ttl=SECONDS",
    "expire": "say lock_ttl=SECONDS",
    "sleep": "waiters sleep until they have the lock, there is nothing to set",
    "thread_local": "there is nothing to set: who may release a lock is told in the README",
}


def refuse(kind: str, options: dict[str, NoReturn]) -> None:
    """Raises TypeError for options that there are not."""
    for option in options:
        hint = f": {_FOREIGN[option]}" if option in _FOREIGN else ""
        raise TypeError(f"{kind} has no option {option!r}{hint}")


def checked_wait(wait: Seconds | None) -> Seconds | None:
    """Raises UsageError for one that is no span of time."""
    if wait is not None and seconds_of(wait, "wait") < 0:
        raise UsageError(f"wait is negative: {wait}")
    return wait


def terms_of(ttl: Seconds, renew: bool, max_hold: Seconds | None, min_replicas: int,
             replication_timeout: Seconds) -> _dlock.Terms:
    """The terms of any lock, as the library takes them."""
    try:
        return _terms_of(ttl, renew, max_hold, min_replicas, replication_timeout)
    except TypeError:  # spans need not be hashable
        return _terms_of.__wrapped__(ttl, renew, max_hold, min_replicas, replication_timeout)


@lru_cache(maxsize=16, typed=True)  # most programs use few, and some make a lock for each acquisition
def _terms_of(ttl: Seconds, renew: bool, max_hold: Seconds | None, min_replicas: int,
              replication_timeout: Seconds) -> _dlock.Terms:
    return (ttl_of(ttl), renew, limit_of(max_hold, "max_hold"), min_replicas,
            milliseconds(replication_timeout, "replication_timeout"))


class NamedSource(PerProcess[_dlock.LeaseSource]):
    """One way into a lock. `excludes_itself`: nobody can have two of it."""

    def __init__(self, store: Store, name: str, prefix: str,
                 make: Callable[[_dlock.Client], _dlock.LeaseSource], *,
                 excludes_itself: bool = True, label: str | None = None) -> None:
        super().__init__(store, name, prefix, make, label)
        self.excludes_itself = excludes_itself

    def acquire(self, timeout: Seconds | None) -> Lease | Late:
        """Late when the time has passed, or at once with a timeout of 0."""
        source, limit = self.get(), limit_of(timeout)
        lease = blocking(lambda in_main_thread: source.acquire(limit, in_main_thread))
        return Late(self, timeout, lease) if isinstance(lease, int) else Lease(lease, self.name)

    async def acquire_async(self, timeout: Seconds | None) -> Lease | Late:
        loop = running_loop()
        mailbox = mailbox_of(loop)
        answer: Answer[Lease | Late] = Answer(loop=loop)

        def deliver(lease: _dlock.Lease | None, code: int, what: str, place: int) -> None:
            if answer.done():  # cancelled meanwhile
                if lease is not None:
                    lease.release_later(ignore)
            elif code not in (0, TIMED_OUT):
                answer.fail(made_of(code, what))
            else:
                answer.deliver(Late(self, timeout, place) if lease is None
                               else Lease(lease, self.name))

        stop = _dlock.Stop()
        number = mailbox.expect(deliver)
        try:
            self.get().start(limit_of(timeout), mailbox.native, number, stop)
        except BaseException:
            mailbox.forget(number)
            raise
        del mailbox  # only the loop may keep it
        try:
            return await answer
        except BaseException:  # cancelled, or the loop has ended
            stop.request()
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                lease = answer.result()  # it came in the same turn of the loop
                if not isinstance(lease, Late):
                    lease._lease.release_later(ignore)
            raise


class Acquisitions:
    """The leases of one object and their holders. Calls `on_lost(lease)` when one is lost."""

    def __init__(self, on_lost: Callable[[Lease], object] | None = None) -> None:
        self.ownership: Ownership[Lease] = Ownership()
        self._on_lost = on_lost

    def acquire(self, source: NamedSource, timeout: Seconds | None, who: Caller, *, is_block: bool
                ) -> Entry[Lease] | Late:
        """Acquires for the calling thread."""
        if source.excludes_itself:
            self.ownership.refuse_second(source.name, who)
        lease = source.acquire(timeout)
        return lease if isinstance(lease, Late) else self._added(lease, who, is_block, None)

    async def acquire_async(self, source: NamedSource, timeout: Seconds | None, who: Caller, *,
                            is_block: bool) -> Entry[Lease] | Late:
        """Acquires for the task that called, though another one may wait in its place."""
        if source.excludes_itself and not self.ownership.is_empty:
            self.ownership.refuse_second(source.name, caller())
        lease = await source.acquire_async(timeout)
        if isinstance(lease, Late):
            return lease
        return self._added(lease, who, is_block, who.task or current_task())

    async def enter_async(self, source: NamedSource, timeout: Seconds | None, who: Caller
                          ) -> Lease:
        """Acquires for a block. Raises LockTimeout."""
        entry = await self.acquire_async(source, timeout, who, is_block=True)
        return in_time(entry).lease

    async def exit_async(self, name: str, who: Caller, error: BaseException | None) -> None:
        """Releases at the end of the block."""
        async def release() -> None:
            await self.ownership.take_block(who, name, []).lease.release_async()

        await release_after_async(release, error)

    def _added(self, lease: Lease, who: Caller, is_block: bool,
               task: asyncio.Task[object] | None) -> Entry[Lease]:
        entry = Entry(lease, lease.name, who, is_block, task)
        on_lost, lost_lease = self._on_lost, weakref.ref(lease)  # who drops it releases it
        if on_lost is not None:
            lease.lost.add_callback(lambda: (one := lost_lease()) is not None and on_lost(one))
        self.ownership.add(entry, who)
        return entry


class Hold:
    """A block that holds a lease, once; for threads and for asyncio. It may end elsewhere."""

    def __init__(self, acquisitions: Acquisitions, source: NamedSource,
                 timeout: Seconds | None) -> None:
        self._acquisitions = acquisitions
        self._source = source
        self._timeout = timeout
        self._entry: Entry[Lease] | Late | None = None
        self._is_over = False

    def __enter__(self) -> None:
        self._entry = self._acquisitions.acquire(self._source, self._timeout, caller(),
                                                 is_block=True)
        if self._entry.is_late:  # else no call: a signal handler may raise in it
            raise self._entry.error()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(lambda: self._given_up().release(), error)

    async def __aenter__(self) -> None:
        self._entry = in_time(await self._acquisitions.acquire_async(
            self._source, self._timeout, caller(), is_block=True))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        async def release() -> None:
            await self._given_up().release_async()

        await release_after_async(release, error)

    def _given_up(self) -> Lease:
        entry, is_again, self._is_over = self._entry, self._is_over, True
        assert isinstance(entry, Entry)
        if not self._acquisitions.ownership.remove(entry) and not is_again:
            raise UsageError(f"the lock {quoted(entry.name)} was released in the block that holds it")
        return entry.lease


class AsyncLease:
    """`async with` around one lease: what the acquire_async() of the locks returns. May be entered
    again, and by several tasks: each has a lease of its own."""

    def __init__(self, source: NamedSource, timeout: Seconds | None) -> None:
        self._source = source
        self._timeout = timeout
        self._acquisitions = Acquisitions()

    def __await__(self) -> Generator[Any, None, Lease]:
        return self._wait().__await__()

    async def _wait(self) -> Lease:
        return in_time(await self._source.acquire_async(self._timeout))

    @coroutine_function
    def __aenter__(self) -> Coroutine[Any, Any, Lease]:
        return self._acquisitions.enter_async(self._source, self._timeout, caller())

    @coroutine_function
    def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                  trace: TracebackType | None) -> Coroutine[Any, Any, None]:
        return self._acquisitions.exit_async(self._source.name, caller(), error)


class NamedSources(OfProcess):
    """The way into a lock: of one name, or in a decorator of those that the arguments make. `wait`:
    the longest wait where a caller says no other."""

    def __init__(self, lock_name: str, name: Naming, wait: Seconds | None,
                 make: Callable[[str], NamedSource]) -> None:
        self._naming = naming_of(lock_name, name)
        self.wait = checked_wait(wait)
        self._make = make
        # With names to come it only checks the settings, which are wrong where they are written.
        self._one = make("name" if callable(self._naming) else self._naming)
        self.is_fixed = name is None or (isinstance(name, str) and not set(name) & set("{}"))

    @property
    def label(self) -> str:
        """The name, or how it is made, for a reader."""
        return quoted(self._one.name) if self.is_fixed else f"name={self._naming!r}"

    @property
    def one(self) -> NamedSource:
        """Raises UsageError if the name comes from arguments."""
        if not self.is_fixed:
            raise UsageError("the name of this lock comes from the arguments of a function: use it "
                             "as a decorator, or say lock_name")
        return self._one

    def for_calls_of(self, function: Callable[..., object]
                     ) -> Callable[[Args, Kwargs], NamedSource]:
        """Raises UsageError if the function has no such arguments."""
        if self.is_fixed:
            return lambda args, kwargs: self._one
        name: NameOf = name_of(self._naming, function)
        return lambda args, kwargs: self._make(name(args, kwargs))

    def held_by(self, function: Callable[P, R], acquisitions: Acquisitions, *,
                is_async: bool = False) -> Callable[P, R]:
        """The function, decorated."""

        def block_for(inner: Callable[..., object]) -> Callable[[Args, Kwargs], Block]:
            source = self.for_calls_of(inner)
            return lambda args, kwargs: Hold(acquisitions, source(args, kwargs), self.wait)

        return decorated(function, block_for, is_async=is_async)


class LeaseSource:
    """The base of all locks: each acquisition is a Lease of its own, with its fence.
    Thread-safe. Timeouts are in seconds; 0 only tries, None is the `wait` of the lock, without which
    there is no limit.

        with mutex as lease: ...                    # or mutex.acquire(timeout=5)
        async with mutex as lease: ...

    Errors: LockTimeout, LockBusy, Unreachable, Refused, StoreUnusable with NotReplicated, UsageError.
    """

    def __init__(self, sources: NamedSources) -> None:
        self._sources = sources
        self._acquisitions = Acquisitions()  # of with-blocks and decorated functions

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._sources.one.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._sources.label}>"

    def acquire(self, timeout: Seconds | None = None) -> Lease:
        """Waits for a lease. Ctrl-C ends the wait."""
        return in_time(self._sources.one.acquire(self._limit(timeout)))

    def try_acquire(self, timeout: Seconds = 0) -> Lease | None:
        """None instead of LockTimeout and LockBusy."""
        lease = self._sources.one.acquire(timeout)
        return None if isinstance(lease, Late) else lease

    def acquire_async(self, timeout: Seconds | None = None) -> AsyncLease:
        """For `async with`, or `await` it: waits without a thread."""
        return AsyncLease(self._sources.one, self._limit(timeout))

    def _limit(self, timeout: Seconds | None) -> Seconds | None:
        return self._sources.wait if timeout is None else timeout

    def __enter__(self) -> Lease:
        entry = self._acquisitions.acquire(self._sources.one, self._sources.wait, caller(),
                                           is_block=True)
        if entry.is_late:  # else no call: a signal handler may raise in it
            raise entry.error()
        return entry.lease

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        found: list[Entry[Lease]] = []
        release_after(lambda: self._acquisitions.ownership.take_block(
            caller(), self.name, found).lease.release(), error)

    @coroutine_function
    def __aenter__(self) -> Coroutine[Any, Any, Lease]:
        return self._acquisitions.enter_async(self._sources.one, self._sources.wait, caller())

    @coroutine_function
    def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                  trace: TracebackType | None) -> Coroutine[Any, Any, None]:
        return self._acquisitions.exit_async(self.name, caller(), error)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A decorator: a lease is held exactly while the body runs. Of functions, coroutine
        functions, generators and asynchronous ones, methods, and objects that are called like
        these; UsageError for others. A call that is made in the body of the same waits for itself:
        UsageError, if the lock excludes it."""
        return self._sources.held_by(function, self._acquisitions)


class Mutex(LeaseSource):
    """A named mutual exclusion between all programs that use one server.

    `lock_ttl`: how long the lock outlives a dead holder, in seconds; it is renewed meanwhile.
    `renew=False`: how long the holder has. `max_hold`: the longest time to hold it, renewed or not.
    `wait`: the longest wait of `with`, of decorated functions, and of calls without a timeout.
    `prefix` is put before the name to make the key. `min_replicas`: it counts as acquired when so
    many replicas have it too; if they do not within `replication_timeout` seconds, it is given back,
    and NotReplicated raised. `name`, instead of `lock_name`: for decorators, as of DistributedLock.
    """

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: Seconds = DEFAULT_TTL, *,
                 name: Naming = None, wait: Seconds | None = None, renew: bool = True,
                 max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT,
                 **others: NoReturn) -> None:
        refuse("Mutex", others)
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        super().__init__(mutex_sources(client, lock_name, name, wait, prefix, terms))


def mutex_sources(client: Store, lock_name: str, name: Naming, wait: Seconds | None, prefix: str,
                terms: _dlock.Terms, label: str | None = None) -> NamedSources:
    """The one way into a mutex. `label`: by which others see its holder."""
    return NamedSources(lock_name, name, wait, lambda each: NamedSource(
        client, each, prefix, lambda inner: _dlock.mutex(inner, each, terms), label=label))
