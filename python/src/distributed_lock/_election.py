"""Election: one leader among programs everywhere, which all can see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from . import _dlock
from ._late import Late, in_time, or_none
from ._lease import Held
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of
from ._names import bytes_of, text_of
from ._per_process import Named, PerProcess
from ._spans import Seconds, limit_of
from ._store import Store
from ._waits import Coming, blocking, brief, in_thread

_KINDS: tuple[Literal["elected", "proclaimed", "vacant"], ...] = (
    "elected", "proclaimed", "vacant")


@dataclass(frozen=True)
class Leader:
    """The leader and its value. `term` is its fence, `revision` counts its proclamations. Bytes of the
    value that are no UTF-8 are surrogates, as in names of files."""

    value: str
    term: int
    revision: int


@dataclass(frozen=True)
class LeaderChange:
    """`elected`: `leader` is new. `proclaimed`: its value changed. `vacant`: nobody leads."""

    kind: Literal["elected", "proclaimed", "vacant"]
    leader: Leader | None


def _leader_of(value: bytes, term: int, revision: int) -> Leader:
    return Leader(text_of(value), term, revision)


class Leadership(Held):
    """The right to lead, for a time. A context manager, which resigns."""

    def __init__(self, leadership: _dlock.Leadership, name: str) -> None:
        super().__init__(leadership, name)
        self._leadership = leadership

    @property
    def term(self) -> int:
        """Grows with each leader of this name: the fence."""
        return self._leadership.term

    def _facts(self) -> str:
        return f", term {self.term}"

    def proclaim(self, value: str) -> None:
        """Replaces the value that observers see, at most 64 KiB. Raises as ensure_held()."""
        brief(partial(self._leadership.proclaim, bytes_of(value)))

    async def proclaim_async(self, value: str) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(partial(self._leadership.proclaim, bytes_of(value)), finish=True)

    def resign(self) -> None:
        """Ends the leadership, like Lease.release(): the next candidate leads."""
        self.release()

    async def resign_async(self) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await self.release_async()


class LeaderObserver:
    """An iterator over the changes of an election, in asyncio too, which begins with the present state.
    Changes that follow each other quickly may come as one. For one thread or task at a time."""

    def __init__(self, observer: _dlock.LeaderObserver) -> None:
        self._observer = observer
        self._seen: LeaderChange | None = None  # by a wait that was cancelled

    def next(self, timeout: Seconds | None = None) -> LeaderChange | None:
        """Waits for the next change; None when `timeout` seconds have passed. Ctrl-C ends the wait.
        Raises Unreachable, Refused and StoreUnusable; it may be called again after any of them."""
        blocking(partial(self._look, limit_of(timeout)), finish=True)
        return self._taken()

    async def next_async(self, timeout: Seconds | None = None) -> LeaderChange | None:
        """The same in asyncio. A cancellation ends the wait, and loses no change."""
        await in_thread(partial(self._look, limit_of(timeout), False), finish=True)
        return self._taken()

    def __iter__(self) -> Iterator[LeaderChange]:
        return self

    def __next__(self) -> LeaderChange:
        change = self.next()
        assert change is not None
        return change

    def __aiter__(self) -> AsyncIterator[LeaderChange]:
        return self

    async def __anext__(self) -> LeaderChange:
        change = await self.next_async()
        assert change is not None
        return change

    def _look(self, limit: int | None, in_main_thread: bool) -> None:
        if self._seen is not None:
            return
        change = self._observer.next(limit, in_main_thread)
        if change is not None:
            kind = _KINDS[change[0]]
            self._seen = LeaderChange(kind, None if kind == "vacant" else _leader_of(*change[1]))

    def _taken(self) -> LeaderChange | None:
        seen, self._seen = self._seen, None
        return seen


class Election(Named[_dlock.Election]):
    """A Mutex whose holder is the leader, and shows all observers a value, usually its address.
    Options as those of Mutex. Thread-safe."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: Seconds = DEFAULT_TTL, *,
                 max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> None:
        terms = terms_of(lock_ttl, True, max_hold, min_replicas, replication_timeout)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Election(
            inner, lock_name, terms))

    def campaign(self, value: str = "", timeout: Seconds | None = None) -> Leadership:
        """Waits until it leads, like Mutex.acquire(), and proclaims `value`. Ctrl-C ends the wait."""
        return in_time(self._campaign(value, timeout))

    def try_campaign(self, value: str = "", timeout: Seconds | None = 0) -> Leadership | None:
        """None instead of LockTimeout and LockBusy."""
        return or_none(self._campaign(value, timeout))

    def campaign_async(self, value: str = "", timeout: Seconds | None = None) -> Coming[Leadership]:
        """campaign() in asyncio: `async with election.campaign_async(...) as leadership`, or `await`
        it. A cancellation ends the wait."""

        async def wait() -> Leadership:
            return in_time(await self._campaign_async(value, timeout))

        return Coming(wait)

    async def try_campaign_async(self, value: str = "", timeout: Seconds | None = 0
                                 ) -> Leadership | None:
        """None instead of LockTimeout and LockBusy."""
        return or_none(await self._campaign_async(value, timeout))

    def _campaign(self, value: str, timeout: Seconds | None) -> Leadership | Late:
        return self._won(blocking(partial(self._inner.get().campaign, bytes_of(value),
                                          limit_of(timeout))), timeout)

    async def _campaign_async(self, value: str, timeout: Seconds | None) -> Leadership | Late:
        return self._won(await in_thread(partial(self._inner.get().campaign, bytes_of(value),
                                                 limit_of(timeout), False)), timeout)

    def _won(self, won: _dlock.Leadership | int, timeout: Seconds | None) -> Leadership | Late:
        return (Late(self._inner, timeout, won) if isinstance(won, int)
                else Leadership(won, self.name))

    def leader(self) -> Leader | None:
        """The leader now; None if there is none, or it has not proclaimed yet."""
        found = brief(self._inner.get().leader)
        return None if found is None else _leader_of(*found)

    async def leader_async(self) -> Leader | None:
        """The same in asyncio."""
        found = await in_thread(self._inner.get().leader)
        return None if found is None else _leader_of(*found)

    def observe(self) -> LeaderObserver:
        """Observes the leader, and each change."""
        return LeaderObserver(self._inner.get().observe())
