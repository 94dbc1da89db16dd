"""acquire_all: several locks at once, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Union

from . import _dlock
from ._clients import Client, client_of
from ._infos import LockInfo
from ._inspect import inspecting
from ._late import Late, in_time, or_none
from ._lease import Held
from ._locks import DEFAULT_REPLICATION_TIMEOUT, DEFAULT_TTL, terms_of
from ._names import checked_name, quoted
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


class _Late(Late):
    """Several locks of which one did not become free: `missing` is its place in `names`, or -1."""

    __slots__ = ("_client", "_missing", "_names")

    def __init__(self, client: Client, names: Sequence[str], timeout: Seconds | None, place: int,
                 missing: int) -> None:
        self._client = client
        self._names = names
        self._timeout = timeout
        self._place = place
        self._missing = missing

    def _inspecting(self) -> Callable[[], LockInfo]:
        names = self._names if self._missing < 0 else [self._names[self._missing]]
        looks = [inspecting(self._client.native(), name) for name in names]

        def first_held() -> LockInfo:
            for look in looks:
                found = look()
                if found.held:
                    break
            return found

        return first_held

    def _text(self, tried: bool) -> str:
        keys = [quoted(self._client.prefix + name) for name in self._names]
        text = (f"not all of the locks {', '.join(keys)} are free" if tried
                else f"could not acquire all of the locks {', '.join(keys)} within {self._span()}")
        if self._missing < 0:
            return text
        missing = keys[self._missing]
        return text + (f": {missing} is not" if tried else f": it waited for {missing}{self._queue()}")


def acquire_all(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                timeout: Seconds | None = None, renew: bool = True, max_hold: Seconds | None = None,
                prefix: str = "", min_replicas: int = 0,
                replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Leases:
    """Waits until it has all mutexes `names`: in one step if all are free, else one after the
    other, in an order that is the same for all who use this function, so that these cannot
    deadlock. Raises as Mutex.acquire(); then nothing is held."""
    terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
    return in_time(_acquire(client, names, terms, timeout, prefix))


def try_acquire_all(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                    timeout: Seconds | None = 0, renew: bool = True, max_hold: Seconds | None = None,
                    prefix: str = "", min_replicas: int = 0,
                    replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Leases | None:
    """None instead of LockTimeout and LockBusy."""
    terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
    return or_none(_acquire(client, names, terms, timeout, prefix))


def acquire_all_async(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL, *,
                      timeout: Seconds | None = None, renew: bool = True,
                      max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                      replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT) -> Coming[Leases]:
    """acquire_all() in asyncio: `async with acquire_all_async(...) as leases`, or `await` it. A
    cancellation ends the wait, and gives back what came."""

    async def wait() -> Leases:
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        return in_time(await _acquire_async(client, names, terms, timeout, prefix))

    return Coming(wait)


async def try_acquire_all_async(client: Store, names: Sequence[str], lock_ttl: Seconds = DEFAULT_TTL,
                                *, timeout: Seconds | None = 0, renew: bool = True,
                                max_hold: Seconds | None = None, prefix: str = "",
                                min_replicas: int = 0,
                                replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT
                                ) -> Leases | None:
    """None instead of LockTimeout and LockBusy."""
    terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
    return or_none(await _acquire_async(client, names, terms, timeout, prefix))


_Native = Union[_dlock.Leases, "tuple[int, int]"]


def _acquire(store: Store, names: Sequence[str], terms: _dlock.Terms, timeout: Seconds | None,
             prefix: str) -> Leases | Late:
    client = client_of(store, prefix)
    return _come(blocking(_acquiring(client, names, terms, timeout)), client, names, timeout)


async def _acquire_async(store: Store, names: Sequence[str], terms: _dlock.Terms,
                         timeout: Seconds | None, prefix: str) -> Leases | Late:
    client = client_of(store, prefix)
    come = await in_thread(partial(_acquiring(client, names, terms, timeout), False))
    return _come(come, client, names, timeout)


def _acquiring(client: Client, names: Sequence[str], terms: _dlock.Terms, timeout: Seconds | None
               ) -> Callable[[bool], _Native]:
    if isinstance(names, str):
        raise TypeError(f"names is a list of names, not a str: [{names!r}]")
    return partial(_dlock.acquire_all, client.native(), [checked_name(name) for name in names], terms,
                   limit_of(timeout))


def _come(come: _Native, client: Client, names: Sequence[str], timeout: Seconds | None
          ) -> Leases | Late:
    return _Late(client, list(names), timeout, *come) if isinstance(come, tuple) else Leases(come, names)
