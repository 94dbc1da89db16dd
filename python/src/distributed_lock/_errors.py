"""Exceptions: one base, one class for each thing a caller can do something about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._infos import LockInfo
    from ._late import Late as _Late


class DistributedLockError(Exception):
    """Base of all errors of this package."""


class LockTimeout(DistributedLockError, TimeoutError):
    """The lock did not become free in time. `place` is the place of this client in the queue at the
    server's last reply, at most 2.5 s before the wait ended, 1 being next; 0 if it was not in the
    queue, or another thread stood there for it. How many wait only the server knows: inspect() asks."""

    place: int = 0
    _late: _Late | None = None

    def inspect(self) -> LockInfo:
        """Asks the server now who holds the lock, and who waits, as inspect_lock() does. Of several
        locks it is the one for which the call waited, or the first that is held if they were only
        tried. Raises what inspect_lock() raises, and UsageError if the error comes from another
        process."""
        return self._known().inspect()

    async def inspect_async(self) -> LockInfo:
        """The same in asyncio."""
        return await self._known().inspect_async()

    def describe(self) -> str:
        """The text of the error, and what inspect() found, as one line: host, pid, program and label
        of the holder, how long it has held the lock, and how many wait. Without the latter if the
        server does not answer."""
        try:
            return f"{self}; {self.inspect()}"
        except DistributedLockError:
            return str(self)

    async def describe_async(self) -> str:
        """The same in asyncio."""
        try:
            return f"{self}; {await self.inspect_async()}"
        except DistributedLockError:
            return str(self)

    def _known(self) -> _Late:
        if self._late is None:
            raise UsageError("this error does not know its lock: use inspect_lock()")
        return self._late

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self.args, {"place": self.place}


class LockBusy(LockTimeout):
    """The lock was only tried, and is not free."""


class LockLost(DistributedLockError):
    """The lease ended while it was still wanted: somebody else may have the lock. Stop, and let
    the resource refuse late writes by their fence."""


class Unreachable(DistributedLockError, ConnectionError):
    """No server answered."""


class Refused(DistributedLockError):
    """The server does not let us: the password, or a missing right."""


class StoreUnusable(DistributedLockError):
    """The server is in a state in which it takes no locks: read-only, loading, full, or the key
    holds something else. The message says which."""


class NotReplicated(StoreUnusable):
    """Fewer than `min_replicas` had the lock within `replication_timeout`; it was given back."""


class Cancelled(DistributedLockError):
    """The wait ended because the program does."""


class Deadlock(DistributedLockError):
    """Holders in a ring wait for each other, and this wait gave up; the message names the ring."""


class Broken(DistributedLockError):
    """A latch or barrier will not open any more for those who wait: a party died, or stopped
    waiting, or the server lost it."""


class UsageError(DistributedLockError, ValueError):
    """The call itself is wrong."""


class Forked(UsageError):
    """This process is a fork of the one that held the lock, and holds nothing."""


# By the number of the library's `dlock::errc`. The extension module raises them where no code in
# Python may run: they have none.
CLASSES: tuple[type[DistributedLockError], ...] = (
    DistributedLockError,
    UsageError,
    Unreachable,
    Refused,
    StoreUnusable,
    StoreUnusable,
    StoreUnusable,
    StoreUnusable,
    StoreUnusable,
    LockTimeout,
    Cancelled,
    LockLost,
    Forked,
    Deadlock,
    Broken,
    NotReplicated,
)

TIMED_OUT = CLASSES.index(LockTimeout)


def made_of(code: int, what: str) -> DistributedLockError:
    """The exception for an error of the library."""
    return CLASSES[code if code < len(CLASSES) else 0](what)
