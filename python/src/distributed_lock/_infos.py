"""What looking at locks from outside shows: the holders, the waiters, and the clients that these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from . import _dlock
from ._names import quoted, text_of

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


def party_of(party: _dlock.Party) -> Party:
    """From the tuple of the library, as all below."""
    client, host, pid, program, label = party
    return Party(text_of(client), text_of(host), pid, text_of(program), text_of(label))


def waiters_of(waiters: Sequence[_dlock.Waiter]) -> tuple[WaiterInfo, ...]:
    return tuple(WaiterInfo(party_of(party), waiting / 1000, weight)
                 for party, waiting, weight in waiters)


def holder_of(holder: _dlock.Holder) -> HolderInfo:
    party, token, fence, weight, role, since, left = holder
    return HolderInfo(party_of(party), text_of(token), fence, weight, role, since / 1000,
                      None if left is None else left / 1000)


def lock_of(lock: _dlock.LockInfo) -> LockInfo:
    name, kind, held, foreign, holders, permits, used, waiters = lock
    return LockInfo(text_of(name), _KINDS[kind], held, foreign, tuple(map(holder_of, holders)),
                    permits, used, waiters_of(waiters))


def gate_of(gate: _dlock.GateInfo
            ) -> tuple[str, int, int, bool, tuple[Party, ...], tuple[WaiterInfo, ...]]:
    name, first, second, broken, joined, waiters = gate
    return text_of(name), first, second, broken, tuple(map(party_of, joined)), waiters_of(waiters)
