"""What programs pass that were written for the package distributed-lock 1.0, whose constructor is
(redis_client, lock_name, owner_id=None, lock_ttl=10, poll_time=1)."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Union

from ._errors import UsageError
from ._names import text_of
from ._spans import Seconds
from ._store import Store

OwnerId = Union[str, bytes, float, None]

_POLL_TIME = 1  # what its attribute says of a program that passed none
_TO_CALLER = 3  # frames from warn() to who makes the lock


def store_of(redis_client: Store, client: Store) -> Store:
    """The one that was given: the first argument has two names."""
    if redis_client is not None and client is not None:
        raise TypeError("redis_client and client are two names of one argument: pass one of them")
    return client if redis_client is None else redis_client


def label_of(owner_id: OwnerId, lock_ttl: Seconds | None) -> str | None:
    """The text by which others see the owner; None without one. Warns of a number that may be meant
    as the ttl, whose place it has among the arguments of earlier versions."""
    if isinstance(owner_id, timedelta):
        raise UsageError("owner_id is a span of time: say lock_ttl=... for the ttl")
    if isinstance(owner_id, (int, float)) and lock_ttl is None:
        warnings.warn(f"owner_id is the number {owner_id}: if it is meant as the ttl, say "
                      f"lock_ttl={owner_id}", UserWarning, stacklevel=_TO_CALLER)
    if owner_id is None:
        return None
    return text_of(owner_id) if isinstance(owner_id, bytes) else str(owner_id)


def poll_time_of(poll_time: Seconds | None) -> Seconds:
    """Warns that there is nothing to set."""
    if poll_time is None:
        return _POLL_TIME
    warnings.warn("poll_time is not needed: the server tells a waiter when it has the lock",
                  UserWarning, stacklevel=_TO_CALLER)
    return poll_time
