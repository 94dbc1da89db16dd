"""Looking at locks from outside: who holds, who waits, and taking a lock away from its holder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from . import _dlock
from ._clients import client_of
from ._infos import (
    BarrierInfo,
    DeadlockLink,
    LatchInfo,
    LockInfo,
    gate_of,
    lock_of,
    party_of,
)
from ._names import bytes_of, checked_name, text_of
from ._stats import Stats
from ._store import Store
from ._waits import brief, in_thread


def _client(client: Store, prefix: str) -> _dlock.Client:
    return client_of(client, prefix).native()


def list_locks(client: Store = None, pattern: str = "*", *, prefix: str = "") -> list[LockInfo]:
    """The locks that are held or waited for, in order of their names. `pattern` is a glob (`*`, `?`,
    `[abc]`) over the names without the prefix. Raises as Mutex.acquire()."""
    return brief(_listing(client, pattern, prefix))


async def list_locks_async(client: Store = None, pattern: str = "*", *, prefix: str = ""
                           ) -> list[LockInfo]:
    """The same in asyncio."""
    return await in_thread(_listing(client, pattern, prefix))


def _listing(client: Store, pattern: str, prefix: str) -> Callable[[], list[LockInfo]]:
    inner = _client(client, prefix)
    return lambda: [lock_of(one) for one in _dlock.list_locks(inner, bytes_of(pattern))]


def inspect_lock(client: Store, lock_name: str, *, prefix: str = "") -> LockInfo:
    """The holders and waiters of a lock. Raises as Mutex.acquire()."""
    return brief(inspecting(_client(client, prefix), lock_name))


async def inspect_lock_async(client: Store, lock_name: str, *, prefix: str = "") -> LockInfo:
    """The same in asyncio."""
    return await in_thread(inspecting(_client(client, prefix), lock_name))


def inspecting(client: _dlock.Client, lock_name: str) -> Callable[[], LockInfo]:
    """The call that asks the server."""
    name = bytes_of(checked_name(lock_name))
    return lambda: lock_of(_dlock.inspect_lock(client, name))


def break_lock(client: Store, lock_name: str, fence: int, *, prefix: str = "") -> bool:
    """Takes the lock away from the holder that has `fence`, never from a later one; the next waiter
    gets it. Returns False, and changes nothing, if nobody holds the lock by that fence. The former
    holder's `lost` is set, but nothing stops its program before it looks. Raises as
    Mutex.acquire()."""
    return brief(_breaking(client, lock_name, fence, prefix))


async def break_lock_async(client: Store, lock_name: str, fence: int, *, prefix: str = "") -> bool:
    """The same in asyncio. A cancellation does not stop it."""
    return await in_thread(_breaking(client, lock_name, fence, prefix), finish=True)


def _breaking(client: Store, lock_name: str, fence: int, prefix: str) -> Callable[[], bool]:
    return partial(_dlock.break_lock, _client(client, prefix), bytes_of(checked_name(lock_name)),
                   fence)


def inspect_latch(client: Store, lock_name: str, *, prefix: str = "") -> LatchInfo | None:
    """A latch; None if nobody has used it, or not for long. Raises as Mutex.acquire()."""
    return brief(_inspecting_latch(client, lock_name, prefix))


async def inspect_latch_async(client: Store, lock_name: str, *, prefix: str = ""
                              ) -> LatchInfo | None:
    """The same in asyncio."""
    return await in_thread(_inspecting_latch(client, lock_name, prefix))


def _inspecting_latch(client: Store, lock_name: str, prefix: str) -> Callable[[], LatchInfo | None]:
    inner, name = _client(client, prefix), bytes_of(checked_name(lock_name))

    def look() -> LatchInfo | None:
        found = _dlock.inspect_latch(inner, name)
        return None if found is None else LatchInfo(*gate_of(found))

    return look


def inspect_barrier(client: Store, lock_name: str, *, prefix: str = "") -> BarrierInfo | None:
    """A barrier; None if nobody has used it. Raises as Mutex.acquire()."""
    return brief(_inspecting_barrier(client, lock_name, prefix))


async def inspect_barrier_async(client: Store, lock_name: str, *, prefix: str = ""
                                ) -> BarrierInfo | None:
    """The same in asyncio."""
    return await in_thread(_inspecting_barrier(client, lock_name, prefix))


def _inspecting_barrier(client: Store, lock_name: str, prefix: str
                        ) -> Callable[[], BarrierInfo | None]:
    inner, name = _client(client, prefix), bytes_of(checked_name(lock_name))

    def look() -> BarrierInfo | None:
        found = _dlock.inspect_barrier(inner, name)
        return None if found is None else BarrierInfo(*gate_of(found))

    return look


def list_deadlocks(client: Store = None, *, prefix: str = "") -> list[list[DeadlockLink]]:
    """The rings of holders that wait for each other, of waits that have lasted 2 s or longer. Raises
    as Mutex.acquire()."""
    return brief(_listing_deadlocks(client, prefix))


async def list_deadlocks_async(client: Store = None, *, prefix: str = ""
                               ) -> list[list[DeadlockLink]]:
    """The same in asyncio."""
    return await in_thread(_listing_deadlocks(client, prefix))


def _listing_deadlocks(client: Store, prefix: str) -> Callable[[], list[list[DeadlockLink]]]:
    inner = _client(client, prefix)
    return lambda: [[DeadlockLink(text_of(name), party_of(holder)) for name, holder in ring]
                    for ring in _dlock.list_deadlocks(inner)]


def stats(client: Store = None, *, prefix: str = "") -> Stats:
    """As Client.stats(), of this process's client for a store and prefix."""
    return client_of(client, prefix).stats()
