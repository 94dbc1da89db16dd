"""run_once: work that several schedulers start, and one of them shall do."""

from __future__ import annotations

from collections.abc import Callable

from . import _dlock, _process
from ._decorators import kind_of, refuse_later
from ._errors import UsageError
from ._lease import Lease, milliseconds
from ._locks import DEFAULT_REPLICATION_TIMEOUT
from ._store import Store, url_of


def begin_once(client: Store, lock_name: str, *, at_least: float = 60.0, at_most: float = 3600.0,
               prefix: str = "", min_replicas: int = 0,
               replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> Lease | None:
    """A lease to do the work, or None: somebody does it, or did not long ago. It is not renewed.
    `at_least`: for so long since it began nobody begins it again, however soon it is released.
    `at_most`: what the work may take, and how long one that died in it blocks the others. The rest
    as of Mutex."""
    inner = _process.client(url_of(client), prefix)
    lease = _dlock.begin_once(inner, lock_name, milliseconds(at_least), milliseconds(at_most),
                              min_replicas, milliseconds(replication_timeout))
    return None if lease is None else Lease(lease, lock_name)


def run_once(client: Store, lock_name: str, work: Callable[[], object], *, at_least: float = 60.0,
             at_most: float = 3600.0, prefix: str = "", min_replicas: int = 0,
             replication_timeout: float = DEFAULT_REPLICATION_TIMEOUT) -> bool:
    """Does `work()`, unless somebody else does it or did it not long ago (see begin_once()).
    Returns whether it did. What `work` raises goes on to the caller, and counts as done. Raises
    LockLost when the work is done but took longer than `at_most`, or the lock was lost otherwise;
    UsageError for a coroutine function or a generator.
    """
    if kind_of(work) != "function":
        raise UsageError("run_once calls a plain function: of a coroutine function or a generator "
                         "it would run nothing")
    lease = begin_once(client, lock_name, at_least=at_least, at_most=at_most, prefix=prefix,
                       min_replicas=min_replicas, replication_timeout=replication_timeout)
    if lease is None:
        return False
    with lease:
        refuse_later(work, work())
        lease._lease.end_once()
    return True
