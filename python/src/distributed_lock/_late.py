"""Late: a wait for a lock that ended in vain, and the error that it becomes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, TypeVar

from ._errors import LockBusy, LockTimeout
from ._infos import LockInfo
from ._inspect import inspecting
from ._names import quoted
from ._per_process import PerProcess
from ._spans import Seconds, seconds_of
from ._waits import brief, in_thread

T = TypeVar("T")


class Late:
    """The lock that did not become free within `timeout`, and the place in its queue, or 0."""

    __slots__ = ("_place", "_source", "_timeout")
    is_late: Literal[True] = True  # asked where a call might be interrupted by a signal's handler

    def __init__(self, source: PerProcess[Any], timeout: Seconds | None, place: int = 0) -> None:
        self._source = source
        self._timeout = timeout
        self._place = place

    def error(self) -> LockTimeout:
        """The error for it."""
        tried = self._timeout is not None and seconds_of(self._timeout) <= 0
        error = (LockBusy if tried else LockTimeout)(self._text(tried))
        error.place = self._place
        error._late = self
        return error

    def inspect(self) -> LockInfo:
        """Asks the server who has the lock."""
        return brief(self._inspecting())

    async def inspect_async(self) -> LockInfo:
        """The same in asyncio."""
        return await in_thread(self._inspecting())

    def _inspecting(self) -> Callable[[], LockInfo]:
        return inspecting(self._source.client(), self._source.name)

    def _text(self, tried: bool) -> str:
        lock = f"the lock {quoted(self._source.key)}"
        return (f"{lock} is not free" if tried
                else f"could not acquire {lock} within {self._span()}{self._queue()}")

    def _span(self) -> str:
        return f"{self._timeout}{'' if isinstance(self._timeout, timedelta) else ' s'}"

    def _queue(self) -> str:
        return f", number {self._place} in its queue" if self._place else ""


class LateUpgrade(Late):
    """The same for a reader that did not become the writer."""

    __slots__ = ()

    def _text(self, tried: bool) -> str:
        lock = f"the lock {quoted(self._source.key)}"
        return (f"{lock} cannot be upgraded now: it has other readers" if tried
                else f"could not upgrade {lock} within {self._span()}")


def in_time(acquired: T | Late) -> T:
    """What was acquired. Raises LockTimeout or LockBusy."""
    if isinstance(acquired, Late):
        raise acquired.error()
    return acquired


def or_none(acquired: T | Late) -> T | None:
    """What was acquired, or None."""
    return None if isinstance(acquired, Late) else acquired
