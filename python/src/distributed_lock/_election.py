"""Election: one leader among programs everywhere, whom all can see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from . import _dlock
from ._lease import Held, in_main_thread, limit_of
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, checked, terms_of
from ._per_process import PerProcess
from ._store import Store

_KINDS: tuple[Literal["elected", "proclaimed", "vacant"], ...] = (
    "elected", "proclaimed", "vacant")


def _bytes_of(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


@dataclass(frozen=True)
class Leader:
    """Who leads, as it says itself. `term` is its fence, `revision` how often it has proclaimed.
    Bytes of the value that are no UTF-8 are surrogates, as in names of files."""

    value: str
    term: int
    revision: int


@dataclass(frozen=True)
class LeaderChange:
    """`elected`: `leader` leads, who did not before. `proclaimed`: the same leader says something.
    `vacant`: nobody leads."""

    kind: Literal["elected", "proclaimed", "vacant"]
    leader: Leader | None


def _leader_of(value: bytes, term: int, revision: int) -> Leader:
    return Leader(value.decode(errors="surrogateescape"), term, revision)


class Leadership(Held):
    """The right to lead, for a time. A context manager, which resigns."""

    def __init__(self, leadership: _dlock.Leadership, name: str) -> None:
        super().__init__(leadership, name)
        self._leadership = leadership

    @property
    def term(self) -> int:
        """Grows with each leader of this name: the fence."""
        return self._leadership.term

    def proclaim(self, value: str) -> None:
        """Says something else to all who observe: at most 64 KiB. Raises as ensure_held()."""
        self._leadership.proclaim(_bytes_of(value))

    def resign(self) -> None:
        """Ends it; whoever campaigns next leads. As Lease.release()."""
        self.release()


class LeaderObserver:
    """Sees an election as it goes on: an iterator of its changes. The first is what is so now. What
    changes twice before it is seen comes as one change. For one thread at a time."""

    def __init__(self, observer: _dlock.LeaderObserver) -> None:
        self._observer = observer

    def next(self, timeout: float | None = None) -> LeaderChange | None:
        """Waits for the next change; None when `timeout` seconds have passed. Ctrl-C ends the wait.
        Raises Unreachable, Refused and StoreUnusable; it may be called again after any of them."""
        change = self._observer.next(limit_of(timeout), in_main_thread())
        if change is None:
            return None
        kind = _KINDS[change[0]]
        return LeaderChange(kind, None if kind == "vacant" else _leader_of(*change[1]))

    def __iter__(self) -> Iterator[LeaderChange]:
        return self

    def __next__(self) -> LeaderChange:
        change = self.next()
        assert change is not None
        return change


class Election:
    """A Mutex whose holder is the leader and says a value to all: an address, most often. Options
    as those of Mutex. Thread-safe."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: float = DEFAULT_TTL, *,
                 max_hold: float | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, True, max_hold, min_replicas, replication_timeout)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Election(
            inner, lock_name, terms))

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def campaign(self, value: str = "", timeout: float | None = None) -> Leadership:
        """Waits until we lead, and proclaims `value`. Ctrl-C ends the wait. As Mutex.acquire()."""
        return checked(self.try_campaign(value, timeout), self.name, timeout)

    def try_campaign(self, value: str = "", timeout: float | None = 0) -> Leadership | None:
        """None instead of LockTimeout and LockBusy."""
        won = self._inner.get().campaign(_bytes_of(value), limit_of(timeout), in_main_thread())
        return None if won is None else Leadership(won, self.name)

    def leader(self) -> Leader | None:
        """Who leads now; None if nobody does, or has not proclaimed yet."""
        found = self._inner.get().leader()
        return None if found is None else _leader_of(*found)

    def observe(self) -> LeaderObserver:
        """Sees who leads, and each change of it."""
        return LeaderObserver(self._inner.get().observe())
