"""Latch and Barrier: waiting for each other, not for a lock."""

from __future__ import annotations

from . import _dlock
from ._lease import Lease, in_main_thread, limit_of, milliseconds
from ._locks import DEFAULT_TTL
from ._per_process import PerProcess
from ._store import Store


class Latch:
    """Is counted down by anybody, and opens for good at zero. All must say the same `count`. It goes
    away when it was not used for `keep` seconds: use a fresh name for each occasion. Thread-safe.

    Who dies before it counted down leaves the others waiting, unless it had joined: then they get
    Broken when its part ends, `lock_ttl` after its death."""

    def __init__(self, client: Store = None, lock_name: str = "", count: int = 1, *,
                 keep: float = 3600.0, lock_ttl: float = DEFAULT_TTL, prefix: str = "") -> None:
        keep_ms, ttl = milliseconds(keep), milliseconds(lock_ttl)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Latch(
            inner, lock_name, count, keep_ms, ttl))

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def count_down(self, n: int = 1) -> None:
        """Counts down by `n`, not below zero; exactly once if it returns, maybe if it raises."""
        self._inner.get().count_down(n)

    def join(self) -> Lease:
        """A part, which shows that somebody will count down. One that is released without counts as
        dead. Raises UsageError when there are as many as the count."""
        return Lease(self._inner.get().join(), self.name)

    def count_down_part(self, part: Lease) -> None:
        """Counts down by one for a part, and gives it back. Raises LockLost or Broken, and does not
        count, if it had ended."""
        self._inner.get().count_down_part(part._lease)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is at zero, at most `timeout` seconds (0 only looks). Returns whether it
        is. Ctrl-C ends the wait. Raises Broken if a part ended, or the server lost the latch."""
        return self._inner.get().wait(limit_of(timeout), in_main_thread())


class Barrier:
    """Lets the parties through when all have arrived, again and again. All must say the same number.
    Thread-safe; each thread that waits is a party.

    When one that has arrived dies or stops waiting the barrier is broken: all get Broken until
    somebody calls reset(). So it is when a party dies that had joined, arrived or not."""

    def __init__(self, client: Store = None, lock_name: str = "", parties: int = 2, *,
                 lock_ttl: float = DEFAULT_TTL, prefix: str = "") -> None:
        ttl = milliseconds(lock_ttl)
        self._inner = PerProcess(client, lock_name, prefix, lambda inner: _dlock.Barrier(
            inner, lock_name, parties, ttl))

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def wait(self, timeout: float | None = None) -> bool:
        """Arrives, and waits for the others. Returns whether all arrived within `timeout` seconds;
        if not, the barrier is broken. Ctrl-C ends the wait, and breaks it too."""
        return self._inner.get().wait(limit_of(timeout), in_main_thread())

    def join(self) -> Lease:
        """A part, which shows that a party is there, arrived or not. One that is released without
        leave() counts as dead. Raises UsageError when there are as many as parties."""
        return Lease(self._inner.get().join(), self.name)

    def leave(self, part: Lease) -> None:
        """Gives a part back without breaking the barrier. Raises LockLost if it had ended."""
        self._inner.get().leave(part._lease)

    def reset(self) -> None:
        """Begins a new phase. Those who wait in the present one get Broken."""
        self._inner.get().reset()
