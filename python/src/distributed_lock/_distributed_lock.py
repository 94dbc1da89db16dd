"""DistributedLock: a lock as in `threading`, for programs everywhere; AsyncDistributedLock, in
`asyncio`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, ParamSpec, TypeVar
from uuid import uuid4

from ._blocks import AsyncBlocks, Blocks, Owner
from ._errors import UsageError
from ._infos import LockInfo
from ._inspect import inspecting
from ._lease import CancelOnLoss, Lease, Lost
from ._locks import (
    DEFAULT_REPLICATION_TIMEOUT,
    DEFAULT_TTL,
    Acquisitions,
    mutex_sources,
    refuse,
    terms_of,
)
from ._names import Naming
from ._ownership import Caller, Ownership, caller, coroutine_function
from ._predecessor import OwnerId, label_of, poll_time_of, store_of
from ._spans import Seconds, seconds_of
from ._store import Store
from ._waits import brief, in_thread

P = ParamSpec("P")
R = TypeVar("R")


class _Common(Owner[Lease]):
    """Settings and what is told of the lease."""

    def __init__(self, redis_client: Store = None, lock_name: str = "", owner_id: OwnerId = None,
                 lock_ttl: Seconds | None = None, poll_time: Seconds | None = None, *,
                 client: Store = None, name: Naming = None, wait: Seconds | None = None,
                 renew: bool = True, max_hold: Seconds | None = None,
                 on_lost: Callable[[Lease], object] | None = None, prefix: str = "",
                 min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT,
                 **others: NoReturn) -> None:
        refuse(type(self).__name__, others)
        store = store_of(redis_client, client)
        ttl = DEFAULT_TTL if lock_ttl is None else lock_ttl
        # First, so that a copy is refused in its words, and not in those of a client of redis-py.
        self._sources = mutex_sources(store, lock_name, name, wait, prefix, terms_of(
            ttl, renew, max_hold, min_replicas, replication_timeout), label_of(owner_id, lock_ttl))
        self._redis = store
        self._lock_name = lock_name
        self._lock_ttl = ttl
        self._owner_id = owner_id
        self._poll_time = poll_time_of(poll_time)
        self._renew = renew
        self._acquisitions = Acquisitions(on_lost)

    def _owners(self) -> Ownership[Lease]:
        return self._acquisitions.ownership

    def _label(self) -> str:
        return self._sources.label

    def _kept(self) -> Lease | None:
        entry = self._owners().of(caller())
        return None if entry is None else entry.lease

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._sources.one.name

    @property
    def redis(self) -> Store:
        """Where the lock lives, as it was passed."""
        return self._redis

    @property
    def lock_name(self) -> str:
        """As it was passed."""
        return self._lock_name

    @property
    def lock_ttl(self) -> Seconds:
        """As it was passed, or 30."""
        return self._lock_ttl

    @property
    def owner_id(self) -> OwnerId:
        """As it was passed, or a random one."""
        if self._owner_id is None:  # seldom asked for, and slow to make
            made: str = self.__dict__.setdefault("_random_owner_id", uuid4().hex)
            return made
        return self._owner_id

    @property
    def poll_time(self) -> Seconds:
        """As it was passed, or 1: nothing polls."""
        return self._poll_time

    @property
    def lease(self) -> Lease:
        """The lease that the caller holds through this object, or one whose thread or task has ended.
        Other threads may use it. Raises UsageError if there is none."""
        lease = self._kept()
        if lease is None:
            raise self._owners().absence(self._label())
        return lease

    @property
    def fence(self) -> int:
        """As Lease.fence."""
        return self.lease.fence

    @property
    def lost(self) -> Lost:
        """As Lease.lost."""
        return self.lease.lost

    def cancel_on_loss(self) -> CancelOnLoss:
        """As Lease.cancel_on_loss()."""
        return self.lease.cancel_on_loss()

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

    def _looking(self) -> Callable[[], LockInfo]:
        return inspecting(self._sources.one.client(), self.name)

    def ensure_held(self) -> None:
        """As Lease.ensure_held()."""
        self.lease.ensure_held()

    def extend(self, additional_time: float = 0, replace_ttl: bool = False) -> bool:
        """For programs written for redis-py's Lock. It extends nothing and ignores its arguments: dlock
        renews the lease while it is held, and it never outlives its holder by more than `lock_ttl`.
        Returns True while it is held. Raises LockLost if it was lost, and UsageError with
        `renew=False`, since such a lease is to end in any case."""
        lease = self.lease
        if not self._renew:
            raise UsageError(f"the lock {self._label()} was made with renew=False, and is not "
                             'extended: leave the renewal on, with max_hold where it is to end')
        lease.ensure_held()
        return True

    def reacquire(self) -> bool:
        """As extend(), for the same programs."""
        return self.extend()

    def _limit(self, blocking: bool, timeout: Seconds | None) -> Seconds | None:
        if not blocking:
            if timeout is not None and timeout != -1:
                raise UsageError("a timeout makes no sense when blocking is False")
            return 0
        if timeout == -1:  # as in `threading`
            return None
        if timeout is not None and seconds_of(timeout) < 0:
            raise UsageError(f"the timeout is negative: {timeout}")
        return self._sources.wait if timeout is None else timeout


class DistributedLock(_Common, Blocks[Lease]):
    """Mutual exclusion between all programs that use one server.

        with DistributedLock(redis_client, lock_name="register_user", lock_ttl=30):
            ...

    `redis_client`, or `client`: a redis.Redis, whose settings are taken over; a URL; or None for
    $DLOCK_URL, and without it a private server on this machine (UsageError if $DLOCK_REQUIRE_URL is
    1, or for an empty URL). `owner_id`: the text by which `dlock
    info` and inspect_lock() show who holds it, instead of that of set_label(); locks with one share a
    connection with locks of the same one only. `lock_ttl` in seconds, 30 by default: how long the lock
    outlives a dead holder, since it is renewed while the holder lives (there is nothing to extend);
    `renew=False`: how long the holder has. `poll_time` is for programs written for the package
    distributed-lock 1.0, and sets nothing. `wait`: the longest wait, of `with` and of acquire()
    without a timeout of its own. `max_hold`: the longest time to hold. `on_lost(lease)` is called
    when a lease of this object is lost, as a callback of `lost`. `prefix` is put before the name.
    `min_replicas` and `replication_timeout`: as of Mutex.

    Thread-safe: threads may share one object, and exclude each other by it. The object has the
    lease until it is released or lost. What a thread acquired it must release, while it lives, or
    is in the same job of a pool; after that anybody may. A with-block may end in another thread.

    Also a decorator: the lock is held exactly while the body of a function runs, of a coroutine
    function, of a generator or an asynchronous one (from its first step to its end), or of an
    object that is called like these; UsageError for others. `name`, instead of `lock_name`, makes
    the name of the arguments: `name="export-{user_id}"`, or a function of some of them,
    `name=lambda user_id: ...`."""

    def acquire(self, blocking: bool = True, timeout: Seconds | None = None) -> bool:
        """Waits for the lock; False if it was not free (`blocking=False`) or did not become so in
        `timeout` seconds. Ctrl-C ends the wait. Raises UsageError if this thread holds it
        already."""
        limit = self._limit(blocking, timeout)
        return not self._acquisitions.acquire(self._sources.one, limit, caller(),
                                              is_block=False).is_late

    def release(self) -> None:
        """Gives the lock back. Raises UsageError if this thread does not hold it, and another one is
        at work with it, or nobody holds it; else as Lease.release()."""
        self._release()

    def locked(self) -> bool:
        """Whether anybody holds it, asked of the server."""
        return brief(self._looking()).held

    def owned(self) -> bool:
        """As `held`, for programs written for redis-py's Lock."""
        return self.held

    def _enter(self, who: Caller) -> None:
        entry = self._acquisitions.acquire(self._sources.one, self._sources.wait, who, is_block=True)
        if entry.is_late:  # else no call: a signal handler may raise in it
            raise entry.error()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        return self._sources.held_by(function, self._acquisitions)


class AsyncDistributedLock(_Common, AsyncBlocks[Lease]):
    """The same for asyncio: `async with`, waits that block neither the loop nor a thread. Tasks
    may share one object. Who calls acquire() has the lock, whatever task waits for it in its place
    (asyncio.wait_for, gather, create_task); what a task acquired it must release, while it runs.
    `client` may be a redis.asyncio.Redis. Decorates coroutine functions and asynchronous
    generators; UsageError for others."""

    @coroutine_function
    def acquire(self, blocking: bool = True, timeout: Seconds | None = None
                ) -> Coroutine[Any, Any, bool]:
        """As DistributedLock.acquire(); a cancellation ends the wait."""
        return self._acquire(blocking, timeout, caller())

    async def _acquire(self, blocking: bool, timeout: Seconds | None, who: Caller) -> bool:
        limit = self._limit(blocking, timeout)
        entry = await self._acquisitions.acquire_async(self._sources.one, limit, who, is_block=False)
        return not entry.is_late

    @coroutine_function
    def release(self) -> Coroutine[Any, Any, None]:
        """As DistributedLock.release()."""
        return self._release_async(caller())

    async def locked(self) -> bool:
        """As DistributedLock.locked()."""
        return (await in_thread(self._looking())).held

    async def owned(self) -> bool:
        """As `held`, for programs written for redis-py's Lock."""
        return self.held

    async def _enter_async(self, who: Caller) -> None:
        await self._acquisitions.enter_async(self._sources.one, self._sources.wait, who)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        return self._sources.held_by(function, self._acquisitions, is_async=True)
