"""Latch and Barrier: waiting for each other, not for a lock."""

from __future__ import annotations

from functools import partial

from . import _dlock
from ._lease import Lease
from ._locks import DEFAULT_TTL
from ._per_process import Named, PerProcess
from ._spans import Seconds, limit_of, milliseconds, ttl_of
from ._store import Store
from ._waits import blocking, brief, in_thread


class Latch(Named[_dlock.Latch]):
    """A counter that anybody counts down; it opens for good at zero. All must say the same `count`. It
    disappears `keep` seconds after its last use: use a fresh name for each occasion. Thread-safe.

    If a program dies before it counted down, the others go on waiting, unless it had joined: then
    they get Broken when its part ends, `lock_ttl` after its death."""

    def __init__(self, client: Store = None, lock_name: str = "", count: int = 1, *,
                 keep: Seconds = 3600.0, lock_ttl: Seconds = DEFAULT_TTL, prefix: str = "") -> None:
        keep_ms, ttl = milliseconds(keep, "keep"), ttl_of(lock_ttl)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Latch(
            inner, lock_name, count, keep_ms, ttl))

    def count_down(self, n: int = 1) -> None:
        """Counts down by `n`, not below zero; exactly once if it returns, maybe if it raises."""
        brief(partial(self._inner.get().count_down, n))

    async def count_down_async(self, n: int = 1) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(partial(self._inner.get().count_down, n), finish=True)

    def join(self) -> Lease:
        """A part: a promise to count down. If it ends without that, the latch is broken. Raises
        UsageError if there are as many parts as the count already."""
        return Lease(brief(self._inner.get().join), self.name)

    async def join_async(self) -> Lease:
        """The same in asyncio. A cancellation does not stop it: the part then ends, and breaks the
        latch."""
        return Lease(await in_thread(self._inner.get().join, finish=True), self.name)

    def count_down_part(self, part: Lease) -> None:
        """Counts down by one for a part, and gives it back. Raises LockLost or Broken, and does not
        count, if it had ended."""
        brief(partial(self._inner.get().count_down_part, part._lease))

    async def count_down_part_async(self, part: Lease) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(partial(self._inner.get().count_down_part, part._lease), finish=True)

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Waits until it is at zero, at most `timeout` seconds (0 only looks). Returns whether it
        is. Ctrl-C ends the wait. Raises Broken if a part ended, or the server lost the latch."""
        return blocking(partial(self._inner.get().wait, limit_of(timeout)))

    async def wait_async(self, timeout: Seconds | None = None) -> bool:
        """The same in asyncio. A cancellation ends the wait."""
        return await in_thread(partial(self._inner.get().wait, limit_of(timeout), False))


class Barrier(Named[_dlock.Barrier]):
    """Lets the parties through when all have arrived, again and again. All must say the same number.
    Thread-safe; each thread that waits is a party.

    If a party that has arrived dies or stops waiting, the barrier is broken: all get Broken until
    somebody calls reset(). The same holds if a party that had joined dies, arrived or not."""

    def __init__(self, client: Store = None, lock_name: str = "", parties: int = 2, *,
                 lock_ttl: Seconds = DEFAULT_TTL, prefix: str = "") -> None:
        ttl = ttl_of(lock_ttl)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Barrier(
            inner, lock_name, parties, ttl))

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Arrives, and waits for the others. Returns whether all arrived within `timeout` seconds;
        if not, the barrier is broken. Ctrl-C ends the wait, and breaks it too."""
        return blocking(partial(self._inner.get().wait, limit_of(timeout)))

    async def wait_async(self, timeout: Seconds | None = None) -> bool:
        """The same in asyncio. A cancellation ends the wait, and breaks the barrier too."""
        return await in_thread(partial(self._inner.get().wait, limit_of(timeout), False))

    def join(self) -> Lease:
        """A part, which shows that a party is there, arrived or not. If it ends without leave(), it
        breaks the barrier. Raises UsageError if there are as many parts as parties already."""
        return Lease(brief(self._inner.get().join), self.name)

    async def join_async(self) -> Lease:
        """The same in asyncio. A cancellation leaves the barrier as it was."""
        inner = self._inner.get()
        return Lease(await in_thread(inner.join, finish=True, undo=inner.leave), self.name)

    def leave(self, part: Lease) -> None:
        """Gives a part back without breaking the barrier. Raises LockLost if it had ended."""
        brief(partial(self._inner.get().leave, part._lease))

    async def leave_async(self, part: Lease) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(partial(self._inner.get().leave, part._lease), finish=True)

    def reset(self) -> None:
        """Begins a new phase. Those who wait in the present one get Broken."""
        brief(self._inner.get().reset)

    async def reset_async(self) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(self._inner.get().reset, finish=True)
