"""run_once: work that several schedulers start, and one of them shall do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import isawaitable

from . import _dlock
from ._clients import client_of
from ._decorators import kind_of, refuse_later
from ._errors import UsageError
from ._lease import Lease
from ._locks import DEFAULT_REPLICATION_TIMEOUT
from ._names import checked_name
from ._spans import Seconds, milliseconds
from ._store import Store
from ._waits import brief, in_thread


def begin_once(client: Store, lock_name: str, *, at_least: Seconds = 60.0, at_most: Seconds = 3600.0,
               prefix: str = "", min_replicas: int = 0,
               replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Lease | None:
    """A lease to do the work, or None: another client does it, or did it less than `at_least` seconds
    ago. It is not renewed. `at_least`: nobody begins the work again within this time of its begin,
    however soon the lease is released. `at_most`: how long the work may take, and how long a client
    that died in it blocks the others. The rest as for Mutex."""
    lease = brief(_beginning(client, lock_name, at_least, at_most, prefix, min_replicas,
                             replication_timeout))
    return None if lease is None else Lease(lease, lock_name)


async def begin_once_async(client: Store, lock_name: str, *, at_least: Seconds = 60.0,
                           at_most: Seconds = 3600.0, prefix: str = "", min_replicas: int = 0,
                           replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT
                           ) -> Lease | None:
    """The same in asyncio. A call that is cancelled may have begun the work: then the lease is
    released, and others begin `at_least` seconds later."""
    lease = await in_thread(_beginning(client, lock_name, at_least, at_most, prefix, min_replicas,
                                       replication_timeout))
    return None if lease is None else Lease(lease, lock_name)


def _beginning(client: Store, lock_name: str, at_least: Seconds, at_most: Seconds, prefix: str,
               min_replicas: int, replication_timeout: Seconds) -> Callable[[], _dlock.Lease | None]:
    return partial(_dlock.begin_once, client_of(client, prefix).native(),
                   checked_name(lock_name), milliseconds(at_least, "at_least"),
                   milliseconds(at_most, "at_most"), min_replicas,
                   milliseconds(replication_timeout, "replication_timeout"))


def run_once(client: Store, lock_name: str, work: Callable[[], object], *, at_least: Seconds = 60.0,
             at_most: Seconds = 3600.0, prefix: str = "", min_replicas: int = 0,
             replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> bool:
    """Does `work()`, unless somebody else does it or did it not long ago (see begin_once()).
    Returns whether it did. What `work` raises goes on to the caller, and counts as done. Raises
    LockLost when the work is done but took longer than `at_most`, or the lock was lost otherwise;
    UsageError for a coroutine function or a generator.
    """
    if kind_of(work) != "function":
        raise UsageError("run_once calls a plain function: of a coroutine function or a generator "
                         "it would run nothing")
    lease = begin_once(client, lock_name, at_least=at_least, at_most=at_most, prefix=prefix,
                       min_replicas=min_replicas, replication_timeout=replication_timeout)
    if lease is None:
        return False
    with lease:
        refuse_later(work, work())
        brief(lease._lease.end_once)
    return True


async def run_once_async(client: Store, lock_name: str, work: Callable[[], object], *,
                         at_least: Seconds = 60.0, at_most: Seconds = 3600.0, prefix: str = "",
                         min_replicas: int = 0,
                         replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> bool:
    """The same in asyncio: `work` is a coroutine function, or a plain one. Work that is cancelled
    counts as done."""
    if kind_of(work) not in ("function", "coroutine"):
        raise UsageError("run_once_async awaits a coroutine function, or calls a plain one: of a "
                         "generator it would run nothing")
    lease = await begin_once_async(client, lock_name, at_least=at_least, at_most=at_most,
                                   prefix=prefix, min_replicas=min_replicas,
                                   replication_timeout=replication_timeout)
    if lease is None:
        return False
    async with lease:
        result = work()
        if isawaitable(result):
            result = await result
        refuse_later(work, result)
        await in_thread(lease._lease.end_once, finish=True)
    return True
