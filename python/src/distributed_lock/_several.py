"""acquire_all: several locks at once, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from . import _dlock
from ._clients import client_of
from ._late import timed_out
from ._lease import Held
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of
from ._names import checked_name
from ._spans import Seconds, limit_of
from ._store import Store
from ._waits import Coming, blocking, in_thread


class Leases(Held):
    """Several leases that are used as one. `lost` is set when any of them is lost."""

    def __init__(self, leases: _dlock.Leases, names: Sequence[str]) -> None:
        super().__init__(leases, ", ".join(names))
        self._fences = dict(zip(names, leases.fences))

    @property
    def fences(self) -> dict[str, int]:
        """The fence of each, by its name."""
        return dict(self._fences)


def acquire_all(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                timeout: Seconds | None = None, renew: bool = True, max_hold: Seconds | None = None,
                prefix: str = "", min_replicas: int = 0,
                replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Leases:
    """Waits until it has all mutexes `names`: in one step if all are free, else one after the
    other, in an order that is the same for all who use this function, so that these cannot
    deadlock. Raises as Mutex.acquire(); then nothing is held."""
    leases = try_acquire_all(client, names, lock_ttl, timeout=timeout, renew=renew,
                             max_hold=max_hold, prefix=prefix, min_replicas=min_replicas,
                             replication_timeout=replication_timeout)
    return _checked(leases, names, prefix, timeout)


def try_acquire_all(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                    timeout: Seconds | None = 0, renew: bool = True, max_hold: Seconds | None = None,
                    prefix: str = "", min_replicas: int = 0,
                    replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Leases | None:
    """None instead of LockTimeout and LockBusy."""
    terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
    leases = blocking(_acquiring(client, names, terms, timeout, prefix))
    return None if leases is None else Leases(leases, names)


def acquire_all_async(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                      timeout: Seconds | None = None, renew: bool = True,
                      max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                      replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Coming[Leases]:
    """acquire_all() in asyncio: `async with acquire_all_async(...) as leases`, or `await` it. A
    cancellation ends the wait, and gives back what came."""

    async def wait() -> Leases:
        leases = await try_acquire_all_async(
            client, names, lock_ttl, timeout=timeout, renew=renew, max_hold=max_hold, prefix=prefix,
            min_replicas=min_replicas, replication_timeout=replication_timeout)
        return _checked(leases, names, prefix, timeout)

    return Coming(wait)


async def try_acquire_all_async(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL,
                                *, timeout: Seconds | None = 0, renew: bool = True,
                                max_hold: Seconds | None = None, prefix: str = "",
                                min_replicas: int = 0,
                                replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT
                                ) -> Leases | None:
    """None instead of LockTimeout and LockBusy."""
    terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
    leases = await in_thread(partial(_acquiring(client, names, terms, timeout, prefix), False))
    return None if leases is None else Leases(leases, names)


def _checked(leases: Leases | None, names: Sequence[str], prefix: str, timeout: Seconds | None
             ) -> Leases:
    if leases is None:
        raise timed_out(", ".join(prefix + name for name in names), timeout)
    return leases


def _acquiring(client: Store, names: Sequence[str], terms: _dlock.Terms, timeout: Seconds | None,
               prefix: str) -> Callable[[bool], _dlock.Leases | None]:
    if isinstance(names, str):
        raise TypeError(f"names is a list of names, not a str: [{names!r}]")
    return partial(_dlock.acquire_all, client_of(client, prefix).native(),
                   [checked_name(name) for name in names], terms, limit_of(timeout))
