"""Exceptions: one base, one class for each thing a caller can do something about."""

from __future__ import annotations


class DistributedLockError(Exception):
    """Base of all errors of this package."""


class LockTimeout(DistributedLockError, TimeoutError):
    """The lock did not become free in time."""


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
