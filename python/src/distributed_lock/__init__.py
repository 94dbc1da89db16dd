"""A distributed lock on Redis: fair, renewed in the background, with fences.

    with DistributedLock(redis_client, lock_name="register_user", lock_ttl=30):
        ...
"""

from ._native import load as _load

_dlock = _load(__name__)  # before all that uses it

from ._condition import ConditionVariable
from ._distributed_lock import AsyncDistributedLock, DistributedLock
from ._election import Election, Leader, LeaderChange, LeaderObserver, Leadership
from ._errors import (
    Broken,
    Cancelled,
    Deadlock,
    DistributedLockError,
    Forked,
    LockBusy,
    LockLost,
    LockTimeout,
    NotReplicated,
    Refused,
    StoreUnusable,
    Unreachable,
    UsageError,
)
from ._gates import Barrier, Latch
from ._lease import Lease, Lost
from ._locks import AsyncLease, LeaseSource, Mutex
from ._once import begin_once, begin_once_async, run_once, run_once_async
from ._semaphore import Semaphore
from ._several import (
    Leases,
    acquire_all,
    acquire_all_async,
    try_acquire_all,
    try_acquire_all_async,
)
from ._shared_mutex import SharedMutex, UpgradeableLease

__all__ = [
    "AsyncDistributedLock",
    "AsyncLease",
    "Barrier",
    "Broken",
    "Cancelled",
    "ConditionVariable",
    "Deadlock",
    "DistributedLock",
    "DistributedLockError",
    "Election",
    "Forked",
    "Latch",
    "Leader",
    "LeaderChange",
    "LeaderObserver",
    "Leadership",
    "Lease",
    "LeaseSource",
    "Leases",
    "LockBusy",
    "LockLost",
    "LockTimeout",
    "Lost",
    "Mutex",
    "NotReplicated",
    "Refused",
    "Semaphore",
    "SharedMutex",
    "StoreUnusable",
    "Unreachable",
    "UpgradeableLease",
    "UsageError",
    "acquire_all",
    "acquire_all_async",
    "begin_once",
    "begin_once_async",
    "run_once",
    "run_once_async",
    "try_acquire_all",
    "try_acquire_all_async",
]
