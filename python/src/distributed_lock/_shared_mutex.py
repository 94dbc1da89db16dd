"""SharedMutex: readers and a writer; UpgradeableLease, a reader who may become the writer."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

from . import _dlock
from ._late import checked, timed_out
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

    def __init__(self, lease: _dlock.UpgradeableLease, name: str) -> None:
        super().__init__(lease, name)
        self._lease = lease

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
        if not self.try_upgrade(timeout):
            raise timed_out(self.name, timeout)

    def try_upgrade(self, timeout: Seconds | None = 0) -> bool:
        """The same; False instead of LockTimeout and LockBusy."""
        return blocking(partial(self._lease.upgrade, limit_of(timeout)), finish=True)

    async def upgrade_async(self, timeout: Seconds | None = None) -> None:
        """upgrade() in asyncio. A cancellation ends the wait; the lease is as before then."""
        if not await self.try_upgrade_async(timeout):
            raise timed_out(self.name, timeout)

    async def try_upgrade_async(self, timeout: Seconds | None = 0) -> bool:
        """The same; False instead of LockTimeout and LockBusy."""
        def undo(upgraded: bool) -> None:
            if upgraded:
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
        limit = self.read._limit(timeout)
        return checked(self.try_acquire_upgradeable(limit), self._both, limit)

    def try_acquire_upgradeable(self, timeout: Seconds | None = 0) -> UpgradeableLease | None:
        """As Mutex.try_acquire()."""
        name = self.name
        lease = blocking(partial(self._both.get().acquire_upgradeable, limit_of(timeout)))
        return None if lease is None else UpgradeableLease(lease, name)

    def acquire_upgradeable_async(self, timeout: Seconds | None = None) -> Coming[UpgradeableLease]:
        """acquire_upgradeable() in asyncio: for `async with`, or `await` it. A cancellation ends the
        wait."""
        limit = self.read._limit(timeout)

        async def wait() -> UpgradeableLease:
            return checked(await self.try_acquire_upgradeable_async(limit), self._both, limit)

        return Coming(wait)

    async def try_acquire_upgradeable_async(self, timeout: Seconds | None = 0
                                            ) -> UpgradeableLease | None:
        """None instead of LockTimeout and LockBusy."""
        name = self.name
        lease = await in_thread(partial(self._both.get().acquire_upgradeable, limit_of(timeout),
                                        False))
        return None if lease is None else UpgradeableLease(lease, name)

    def downgrade(self, lease: Lease | UpgradeableLease) -> Lease:
        """From writer, or upgradeable, to reader in one step: nobody writes in between. `lease` is
        used up. Raises LockLost if it had ended."""
        return Lease(brief(partial(self._both.get().downgrade, lease._lease)), self.name)

    async def downgrade_async(self, lease: Lease | UpgradeableLease) -> Lease:
        """The same in asyncio. A cancelled one gives the lock back."""
        inner = self._both.get()
        return Lease(await in_thread(partial(inner.downgrade, lease._lease), finish=True), self.name)
