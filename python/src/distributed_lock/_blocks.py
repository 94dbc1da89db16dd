"""With-blocks of lock objects that own what they acquire, and what such an object is asked."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ._names import quoted
from ._ownership import Caller, Entry, Ownership, caller, coroutine_function
from ._release import release_after, release_after_async

if TYPE_CHECKING:
    from typing_extensions import Self


class _Releasable(Protocol):
    @property
    def held(self) -> bool: ...
    def release(self) -> None: ...
    async def release_async(self) -> None: ...


L = TypeVar("L", bound=_Releasable)


class Owner(Generic[L]):
    """Has the leases that were acquired by it."""

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        raise NotImplementedError

    def _owners(self) -> Ownership[L]:
        raise NotImplementedError

    def _release(self) -> None:
        self._owners().take(caller(), self.name).lease.release()

    async def _release_async(self, who: Caller) -> None:
        await self._owners().take(who, self.name).lease.release_async()

    def _label(self) -> str:
        return quoted(self.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._label()}{self._owners().summary(caller())}>"


class Blocks(Owner[L]):
    """`with`."""

    def _enter(self, who: Caller) -> None:
        """Acquires for a block. Raises LockTimeout."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._enter(caller())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        found: list[Entry[L]] = []
        release_after(lambda: self._owners().take_block(caller(), self.name, found).lease.release(),
                      error)


class AsyncBlocks(Owner[L]):
    """`async with`. What is returned sees who calls it: not all coroutines are run by the task that
    makes them."""

    async def _enter_async(self, who: Caller) -> None:
        """Acquires for a block. Raises LockTimeout."""
        raise NotImplementedError

    @coroutine_function
    def __aenter__(self) -> Coroutine[Any, Any, Self]:
        return self._entered(caller())

    async def _entered(self, who: Caller) -> Self:
        await self._enter_async(who)
        return self

    @coroutine_function
    def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                  trace: TracebackType | None) -> Coroutine[Any, Any, None]:
        return self._left(caller(), error)

    async def _left(self, who: Caller, error: BaseException | None) -> None:
        async def release() -> None:
            await self._owners().take_block(who, self.name, []).lease.release_async()

        await release_after_async(release, error)
