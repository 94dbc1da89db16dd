"""Late: a wait for a lock that ended in vain, and the error that it becomes."""

from __future__ import annotations

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
        error = timed_out(self._source.key, self._timeout, self._place)
        error._late = self
        return error

    def inspect(self) -> LockInfo:
        """Asks the server who has the lock."""
        return brief(inspecting(self._source.client(), self._source.name))

    async def inspect_async(self) -> LockInfo:
        """The same in asyncio."""
        return await in_thread(inspecting(self._source.client(), self._source.name))


def timed_out(key: str, timeout: Seconds | None, place: int = 0) -> LockTimeout:
    """The error of a wait that knows nothing more."""
    if timeout is not None and seconds_of(timeout) <= 0:
        return LockBusy(f"the lock {quoted(key)} is not free")
    error = LockTimeout(f"could not acquire the lock {quoted(key)} within {timeout}"
                        f"{'' if isinstance(timeout, timedelta) else ' s'}"
                        f"{f', number {place} in its queue' if place else ''}")
    error.place = place
    return error


def in_time(acquired: T | Late) -> T:
    """What was acquired. Raises LockTimeout or LockBusy."""
    if isinstance(acquired, Late):
        raise acquired.error()
    return acquired


def checked(acquired: T | None, source: PerProcess[Any], timeout: Seconds | None) -> T:
    """The same where None is for a wait that ended in vain."""
    return in_time(Late(source, timeout) if acquired is None else acquired)
