"""A distributed lock on Redis: fair, renewed in the background, with fences.

    with DistributedLock(redis_client, lock_name="register_user", lock_ttl=30):
        ...
"""

from ._distributed_lock import AsyncDistributedLock, DistributedLock
from ._errors import (
    Cancelled,
    Deadlock,
    DistributedLockError,
    Forked,
    LockBusy,
    LockLost,
    LockTimeout,
    Refused,
    StoreUnusable,
    Unreachable,
    UsageError,
)
from ._lease import Lease, Lost
from ._locks import AsyncLease, LeaseSource, Mutex, Semaphore, SharedMutex

__all__ = [
    "AsyncDistributedLock",
    "AsyncLease",
    "Cancelled",
    "Deadlock",
    "DistributedLock",
    "DistributedLockError",
    "Forked",
    "Lease",
    "LeaseSource",
    "LockBusy",
    "LockLost",
    "LockTimeout",
    "Lost",
    "Mutex",
    "Refused",
    "Semaphore",
    "SharedMutex",
    "StoreUnusable",
    "Unreachable",
    "UsageError",
]
