"""A distributed lock on Redis: fair, renewed in the background, with fences.

    with DistributedLock(redis_client, lock_name="register_user", lock_ttl=30):
        ...
"""

from ._native import load as _load

_dlock = _load(__name__)  # before all that uses it

from ._clients import Client, prometheus_text
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
from ._events import Event
from ._gates import Barrier, Latch
from ._infos import (
    BarrierInfo,
    DeadlockLink,
    HolderInfo,
    LatchInfo,
    LockInfo,
    Party,
    WaiterInfo,
)
from ._inspect import (
    break_lock,
    break_lock_async,
    inspect_barrier,
    inspect_barrier_async,
    inspect_latch,
    inspect_latch_async,
    inspect_lock,
    inspect_lock_async,
    list_deadlocks,
    list_deadlocks_async,
    list_locks,
    list_locks_async,
    stats,
)
from ._lease import Lease, Lost
from ._locks import AsyncLease, LeaseSource, Mutex
from ._once import begin_once, begin_once_async, run_once, run_once_async
from ._process import set_label
from ._semaphore import Semaphore
from ._several import (
    Leases,
    acquire_all,
    acquire_all_async,
    try_acquire_all,
    try_acquire_all_async,
)
from ._shared_mutex import SharedMutex, UpgradeableLease
from ._stats import GroupStats, Histogram, LockStats, Stats

__all__ = [
    "AsyncDistributedLock",
    "AsyncLease",
    "Barrier",
    "BarrierInfo",
    "Broken",
    "Cancelled",
    "Client",
    "ConditionVariable",
    "Deadlock",
    "DeadlockLink",
    "DistributedLock",
    "DistributedLockError",
    "Election",
    "Event",
    "Forked",
    "GroupStats",
    "Histogram",
    "HolderInfo",
    "Latch",
    "LatchInfo",
    "Leader",
    "LeaderChange",
    "LeaderObserver",
    "Leadership",
    "Lease",
    "LeaseSource",
    "Leases",
    "LockBusy",
    "LockInfo",
    "LockLost",
    "LockStats",
    "LockTimeout",
    "Lost",
    "Mutex",
    "NotReplicated",
    "Party",
    "Refused",
    "Semaphore",
    "SharedMutex",
    "Stats",
    "StoreUnusable",
    "Unreachable",
    "UpgradeableLease",
    "UsageError",
    "WaiterInfo",
    "acquire_all",
    "acquire_all_async",
    "begin_once",
    "begin_once_async",
    "break_lock",
    "break_lock_async",
    "inspect_barrier",
    "inspect_barrier_async",
    "inspect_latch",
    "inspect_latch_async",
    "inspect_lock",
    "inspect_lock_async",
    "list_deadlocks",
    "list_deadlocks_async",
    "list_locks",
    "list_locks_async",
    "prometheus_text",
    "run_once",
    "run_once_async",
    "set_label",
    "stats",
    "try_acquire_all",
    "try_acquire_all_async",
]
