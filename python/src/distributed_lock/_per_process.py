"""PerProcess: an object of the library that each process makes anew, since a fork needs its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from . import _dlock, _process
from ._clients import client_of
from ._names import checked_name, quoted
from ._process import OfProcess
from ._store import Store

T = TypeVar("T")


class PerProcess(OfProcess, Generic[T]):
    """The object that `make(client)` returns for the client of these settings. Thread-safe."""

    def __init__(self, store: Store, name: str, prefix: str,
                 make: Callable[[_dlock.Client], T], label: str | None = None) -> None:
        self.name = checked_name(name)
        self._client = client_of(store, prefix, label)
        self._make = make
        self._made: tuple[int, T] | None = None
        self.get()  # so that wrong settings are told now

    @property
    def key(self) -> str:
        """The name with its prefix, as on the server."""
        return self._client.prefix + self.name

    def client(self) -> _dlock.Client:
        """The client of this process."""
        return self._client.native()

    def get(self) -> T:
        """The object of this process."""
        generation = _process.generation()
        if self._made is None or self._made[0] != generation:
            self._made = (generation, self._make(self.client()))
        return self._made[1]


class Named(Generic[T]):
    """Something on the server, of that name."""

    _inner: PerProcess[T]

    @property
    def name(self) -> str:
        """The name, without the prefix."""
        return self._inner.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {quoted(self.name)}>"
