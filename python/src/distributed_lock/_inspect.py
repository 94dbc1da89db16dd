"""Looking at locks from outside: who holds, who waits, and taking a lock away from its holder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from . import _dlock, _process
from ._names import bytes_of, checked_name, quoted, text_of
from ._store import Store, url_of
from ._waits import brief, in_thread

_KINDS: tuple[Literal["mutex", "shared_mutex", "semaphore"] | None, ...] = (
    None, "mutex", "shared_mutex", "semaphore")


@dataclass(frozen=True)
class Party:
    """A client as it registered itself. Fields are empty when its registration has expired, and for
    a client of another library. `print(party)` shows it as `dlock info` does."""

    client: str
    host: str
    pid: int
    program: str
    label: str

    def __str__(self) -> str:
        if not self.host and not self.pid:
            return f"client {self.client}" if self.client else "an unknown client"
        label = f" ({self.label})" if self.label else ""
        return f"{self.host}:{self.pid} {self.program}{label}"


@dataclass(frozen=True)
class HolderInfo:
    """A holder of a lock. `fence` is 0 if it is not known. `weight` is its number of permits. `role`
    in a SharedMutex is "reader", "writer", "upgradeable" or "upgrade". `since` is for how many
    seconds it has held the lock, `ttl_left` in how many its lease ends without a renewal (None:
    never)."""

    party: Party
    token: str
    fence: int
    weight: int
    role: str
    since: float
    ttl_left: float | None


@dataclass(frozen=True)
class WaiterInfo:
    """A client in a queue, which has waited for `waiting` seconds, for `weight` permits. The threads
    of a process that wait for one Mutex are one client."""

    party: Party
    waiting: float
    weight: int


@dataclass(frozen=True)
class LockInfo:
    """A lock as the server sees it. `name` is without the prefix. `kind` is "mutex", "shared_mutex",
    "semaphore", or None when nobody holds or waits. `foreign`: a client of another library holds
    it, whose fence and party are not known. `holders` are in the order of their fences, `waiters` in
    the order of their turn. `used` of `permits` are taken; a mutex has one."""

    name: str
    kind: Literal["mutex", "shared_mutex", "semaphore"] | None
    held: bool
    foreign: bool
    holders: Sequence[HolderInfo]
    permits: int
    used: int
    waiters: Sequence[WaiterInfo]

    @property
    def holder(self) -> Party | None:
        """The first of the holders; None if nobody holds it."""
        return self.holders[0].party if self.holders else None

    @property
    def fence(self) -> int:
        """The fence of the first holder, for break_lock(); 0 if nobody holds it, or it is not
        known."""
        return self.holders[0].fence if self.holders else 0

    def __str__(self) -> str:
        who = ", ".join(f"{one.party} for {one.since:.3g} s (fence {one.fence})"
                        for one in self.holders)
        state = ("held by a client of another library" if self.foreign else f"held by {who}" if who
                 else "free")
        return f"{quoted(self.name)}: {state}; {len(self.waiters)} waiting"


@dataclass(frozen=True)
class LatchInfo:
    """A Latch as the server sees it: `left` of `count` are still to be counted down. `joined` have a
    part that is not counted down yet."""

    name: str
    count: int
    left: int
    broken: bool
    joined: Sequence[Party]
    waiters: Sequence[WaiterInfo]


@dataclass(frozen=True)
class BarrierInfo:
    """A Barrier as the server sees it. `waiters` have arrived in the present `phase`; `waiting` is
    the time since each was last heard of, and after 15 s it breaks the barrier."""

    name: str
    parties: int
    phase: int
    broken: bool
    joined: Sequence[Party]
    waiters: Sequence[WaiterInfo]


@dataclass(frozen=True)
class DeadlockLink:
    """A lock in a ring. Its holder waits for the next lock of the ring, that of the last lock for the
    first."""

    name: str
    holder: Party


@dataclass(frozen=True)
class Stats:
    """Counters of this process on one store, since its first lock there. `granted` and `passed` count
    acquisitions by another's release, of another client or of a thread of this one. `commands` counts
    the commands to the server."""

    acquired: int
    granted: int
    passed: int
    released: int
    lost: int
    timed_out: int
    renewals: int
    reconnects: int
    commands: int


def _client(client: Store, prefix: str) -> _dlock.Client:
    return _process.client(url_of(client), prefix)


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
    return lambda: [_lock(one) for one in _dlock.list_locks(inner, bytes_of(pattern))]


def inspect_lock(client: Store, lock_name: str, *, prefix: str = "") -> LockInfo:
    """The holders and waiters of a lock. Raises as Mutex.acquire()."""
    return brief(inspecting(_client(client, prefix), lock_name))


async def inspect_lock_async(client: Store, lock_name: str, *, prefix: str = "") -> LockInfo:
    """The same in asyncio."""
    return await in_thread(inspecting(_client(client, prefix), lock_name))


def inspecting(client: _dlock.Client, lock_name: str) -> Callable[[], LockInfo]:
    """The call that asks the server."""
    name = bytes_of(checked_name(lock_name))
    return lambda: _lock(_dlock.inspect_lock(client, name))


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
        return None if found is None else LatchInfo(*_gate(found))

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
        return None if found is None else BarrierInfo(*_gate(found))

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
    return lambda: [[DeadlockLink(text_of(name), _party(holder)) for name, holder in ring]
                    for ring in _dlock.list_deadlocks(inner)]


def stats(client: Store = None, *, prefix: str = "") -> Stats:
    """Counters of this process for one store and prefix. Does not ask the server."""
    return Stats(*_dlock.stats(_client(client, prefix)))


def _party(party: _dlock.Party) -> Party:
    client, host, pid, program, label = party
    return Party(text_of(client), text_of(host), pid, text_of(program), text_of(label))


def _waiters(waiters: Sequence[_dlock.Waiter]) -> tuple[WaiterInfo, ...]:
    return tuple(WaiterInfo(_party(party), waiting / 1000, weight)
                 for party, waiting, weight in waiters)


def _holder(holder: _dlock.Holder) -> HolderInfo:
    party, token, fence, weight, role, since, left = holder
    return HolderInfo(_party(party), text_of(token), fence, weight, role, since / 1000,
                      None if left is None else left / 1000)


def _lock(lock: _dlock.LockInfo) -> LockInfo:
    name, kind, held, foreign, holders, permits, used, waiters = lock
    return LockInfo(text_of(name), _KINDS[kind], held, foreign, tuple(map(_holder, holders)),
                    permits, used, _waiters(waiters))


def _gate(gate: _dlock.GateInfo
          ) -> tuple[str, int, int, bool, tuple[Party, ...], tuple[WaiterInfo, ...]]:
    name, first, second, broken, joined, waiters = gate
    return text_of(name), first, second, broken, tuple(map(_party, joined)), _waiters(waiters)
