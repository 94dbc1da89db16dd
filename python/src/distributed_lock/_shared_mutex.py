"""SharedMutex: readers and a writer; UpgradeableLease, a reader who may become the writer."""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn

from . import _dlock
from ._late import Late, LateUpgrade, in_time, or_none
from ._lease import Held, Lease
from ._locks import (
    DEFAULT_REPLICATION_TIMEOUT,
    DEFAULT_TTL,
    LeaseSource,
    NamedSource,
    NamedSources,
    refuse,
    terms_of,
)
from ._names import Naming
from ._per_process import PerProcess
from ._spans import Seconds, limit_of
from ._store import Store
from ._waits import Coming, blocking, brief, in_thread


class UpgradeableLease(Held):
    """The right to read beside readers, of one holder at a time, who can become the writer without
    letting anybody write in between."""

    def __init__(self, lease: _dlock.UpgradeableLease, source: PerProcess[Any]) -> None:
        super().__init__(lease, source.name)
        self._lease = lease
        self._source = source

    @property
    def fence(self) -> int:
        """As Lease.fence; grows by upgrade()."""
        return self._lease.fence

    def _facts(self) -> str:
        return f", fence {self.fence}" + (", upgraded" if self.upgraded else "")

    @property
    def upgraded(self) -> bool:
        """Whether it is the writer."""
        return self._lease.upgraded

    def upgrade(self, timeout: Seconds | None = None) -> None:
        """Becomes the writer: waits until the readers have gone, before all others who wait. Raises
        LockTimeout or LockBusy (the lease is as before then), and LockLost if the lease ends
        meanwhile. Ctrl-C ends the wait."""
        in_time(self._upgraded(self._upgrade(timeout), timeout))

    def try_upgrade(self, timeout: Seconds | None = 0) -> bool:
        """The same; False instead of LockTimeout and LockBusy."""
        return self._upgrade(timeout) is True

    def _upgrade(self, timeout: Seconds | None) -> int:
        return blocking(partial(self._lease.upgrade, limit_of(timeout)), finish=True)

    def _upgraded(self, result: int, timeout: Seconds | None) -> bool | Late:
        return result is True or LateUpgrade(self._source, timeout, result)

    async def upgrade_async(self, timeout: Seconds | None = None) -> None:
        """upgrade() in asyncio. A cancellation ends the wait; the lease is as before then."""
        in_time(self._upgraded(await self._upgrade_async(timeout), timeout))

    async def try_upgrade_async(self, timeout: Seconds | None = 0) -> bool:
        """The same; False instead of LockTimeout and LockBusy."""
        return await self._upgrade_async(timeout) is True

    async def _upgrade_async(self, timeout: Seconds | None) -> int:
        def undo(result: int) -> None:
            if result is True:
                self._lease.downgrade()

        return await in_thread(partial(self._lease.upgrade, limit_of(timeout), False), finish=True,
                               undo=undo)

    def downgrade(self) -> None:
        """From the writer back to what it was before upgrade()."""
        brief(self._lease.downgrade)

    async def downgrade_async(self) -> None:
        """The same in asyncio. A cancellation does not stop it."""
        await in_thread(self._lease.downgrade, finish=True)


class SharedMutex:
    """A reader-writer lock: any number of readers, or one writer; both in order of arrival.
    Options as those of Mutex. `read` and `write` are its two LeaseSources."""

    def __init__(self, client: Store = None, lock_name: str = "", lock_ttl: Seconds = DEFAULT_TTL, *,
                 name: Naming = None, wait: Seconds | None = None, renew: bool = True,
                 max_hold: Seconds | None = None, prefix: str = "", min_replicas: int = 0,
                 replication_timeout: Seconds = DEFAULT_REPLICATION_TIMEOUT,
                 **others: NoReturn) -> None:
        refuse("SharedMutex", others)
        terms = terms_of(lock_ttl, renew, max_hold, min_replicas, replication_timeout)
        self.read = LeaseSource(NamedSources(lock_name, name, wait, lambda each: NamedSource(
            client, each, prefix, lambda inner: _dlock.reader(inner, each, terms),
            excludes_itself=False)))
        self.write = LeaseSource(NamedSources(lock_name, name, wait, lambda each: NamedSource(
            client, each, prefix, lambda inner: _dlock.writer(inner, each, terms))))
        one = lock_name or "name"  # or many, of arguments: then acquire_upgradeable() has none
        self._both = PerProcess(client, one, prefix, lambda inner: _dlock.SharedMutex(
            inner, one, terms))

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self.read.name

    def __repr__(self) -> str:
        return f"<SharedMutex {self.read._sources.label}>"

    def acquire_upgradeable(self, timeout: Seconds | None = None) -> UpgradeableLease:
        """Waits for the lease of a reader who may become the writer. As Mutex.acquire()."""
        return in_time(self._upgradeable(self.read._limit(timeout)))

    def try_acquire_upgradeable(self, timeout: Seconds | None = 0) -> UpgradeableLease | None:
        """As Mutex.try_acquire()."""
        return or_none(self._upgradeable(timeout))

    def acquire_upgradeable_async(self, timeout: Seconds | None = None) -> Coming[UpgradeableLease]:
        """acquire_upgradeable() in asyncio: for `async with`, or `await` it. A cancellation ends the
        wait."""
        limit = self.read._limit(timeout)

        async def wait() -> UpgradeableLease:
            return in_time(await self._upgradeable_async(limit))

        return Coming(wait)

    async def try_acquire_upgradeable_async(self, timeout: Seconds | None = 0
                                            ) -> UpgradeableLease | None:
        """None instead of LockTimeout and LockBusy."""
        return or_none(await self._upgradeable_async(timeout))

    def _upgradeable(self, timeout: Seconds | None) -> UpgradeableLease | Late:
        return self._come(blocking(partial(self._one().acquire_upgradeable, limit_of(timeout))),
                          timeout)

    async def _upgradeable_async(self, timeout: Seconds | None) -> UpgradeableLease | Late:
        return self._come(await in_thread(partial(self._one().acquire_upgradeable,
                                                  limit_of(timeout), False)), timeout)

    def _one(self) -> _dlock.SharedMutex:
        _ = self.name  # raises for many, of arguments
        return self._both.get()

    def _come(self, come: _dlock.UpgradeableLease | int, timeout: Seconds | None
              ) -> UpgradeableLease | Late:
        return (Late(self._both, timeout, come) if isinstance(come, int)
                else UpgradeableLease(come, self._both))

    def downgrade(self, lease: Lease | UpgradeableLease) -> Lease:
        """From writer, or upgradeable, to reader in one step: nobody writes in between. `lease` is
        used up. Raises LockLost if it had ended."""
        return Lease(brief(partial(self._both.get().downgrade, lease._lease)), self.name)

    async def downgrade_async(self, lease: Lease | UpgradeableLease) -> Lease:
        """The same in asyncio. A cancelled one gives the lock back."""
        inner = self._both.get()
        return Lease(await in_thread(partial(inner.downgrade, lease._lease), finish=True), self.name)
