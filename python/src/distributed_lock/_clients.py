"""Client: a process's client of a store, and what it tells about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from . import _dlock, _process
from ._credentials import Credentials, asking, checked, of_provider
from ._errors import UsageError
from ._events import EventHandler, telling
from ._names import bytes_of, text_of
from ._process import OfProcess
from ._spans import Seconds, limit_of
from ._stats import Stats, stats_of
from ._store import Store, provider_of, url_of


class Client(OfProcess):
    """A client of a store, to be passed to locks in place of a client of redis-py or a URL, by those
    who want to watch their locks. Make one and share it: each has a connection of its own. Does not
    connect before it is used. Thread-safe; a forked child connects anew.

        client = Client(redis, group=lambda name: name.partition(":")[0], on_event=print)
        with DistributedLock(client, "order:4711"): ...

    `store`: as of DistributedLock. `prefix` is put before the names of its locks, which then must not
    say another one. `group(name)` returns the group under which a lock is counted in stats(): each is
    a series in a metrics system, so it must stand for many locks, and never be the name itself. It is
    called where a lock object is made, and what it raises goes on to there.

    `on_event(event)` is called with each Event, in their order, on a thread of the library, where also
    the callbacks of `lost` are called: in asyncio, hand the event over with
    `loop.call_soon_threadsafe(function, event)`. Where gevent or eventlet run greenlets, it is called
    in one of them. If it is slow, it delays other callbacks, never a lock. At most 1000 events wait
    for it; later ones are dropped and counted. What it raises is logged.

    `slow_wait`: a wait that has lasted for so many seconds is reported once in the log and as an event
    "waiting", with who holds the lock; 0.001 s to a year. None: never. `label`: the text by which
    others see its holders and waiters; None: that of set_label().

    `credentials()` returns a user (None: the default user) and a password, in place of those of `store`,
    and, as a third value, until when they are good: seconds from now on, a timedelta, or a datetime. It
    is called for each connection, and again when three quarters of that time have passed: the client
    then logs in again on the open connection, and waits and leases go on. It is called on threads of the
    library that only connect, one call at a time. What it raises is part of the error. A client of
    redis-py with a `credential_provider` needs no function: the provider is asked, about every four
    minutes.

    Raises UsageError for settings that
    are wrong."""

    def __init__(self, store: Store = None, *, prefix: str = "",
                 group: Callable[[str], str] | None = None, on_event: EventHandler | None = None,
                 slow_wait: Seconds | None = None, label: str | None = None,
                 credentials: Credentials | None = None) -> None:
        if isinstance(store, Client):
            raise UsageError("the store of a Client is a client of redis-py or a URL, not a Client")
        self.prefix = prefix
        self._url = url_of(store)
        self._group = None if group is None else _grouping(group)
        self._on_event = None if on_event is None else telling(on_event)
        self._slow_wait = limit_of(slow_wait, "slow_wait")
        self._label = label
        provider = provider_of(store)
        ask = checked(credentials) or (provider and of_provider(provider))
        self._credentials = asking(ask) if ask else None
        self._native: dict[int, _dlock.Client] = {}
        self.native()  # so that wrong settings are told now

    def native(self) -> _dlock.Client:
        """The library's client of this process."""
        generation = _process.generation()
        # Without a mutex: a fork might find it locked, and greenlets in several threads too.
        return self._native.get(generation) or self._native.setdefault(
            generation, _process.new_client(self._url, self.prefix, self._label, self._group,
                                            self._on_event, self._slow_wait, self._credentials))

    def stats(self) -> Stats:
        """What it has counted and measured since it was made, all of one moment. Does not ask the
        server."""
        return stats_of(self.native())

    def prometheus_text(self) -> str:
        """The same in Prometheus' text format, to be served as `text/plain; version=0.0.4`;
        docs/observability.md lists the metrics."""
        return _dlock.prometheus_text(self.native()).decode(errors="replace")

    def __repr__(self) -> str:
        return f"<Client prefix={self.prefix!r}>"  # the URL may have a password


def prometheus_text(clients: Mapping[str, Store], *, prefix: str = "") -> str:
    """Client.prometheus_text() of several clients together: each sample says in its label `client`
    under which name it stands in `clients`. One body cannot have the texts of two clients one after
    the other. A value is a Client, or what locks take, which with `prefix` names the client that such
    locks share. Raises UsageError for an empty name."""
    return _dlock.prometheus_text_of_all([
        (bytes_of(name), client_of(store, prefix).native()) for name, store in clients.items()
    ]).decode(errors="replace")


def _grouping(group: Callable[[str], str]) -> Callable[[bytes], bytes]:
    def group_of(name: bytes) -> bytes:
        result = group(text_of(name))
        if not isinstance(result, str):
            raise TypeError(f"group returned {result!r} for a lock, which is no str")
        return bytes_of(result)

    return group_of


_shared: dict[tuple[str, str], Client] = {}


class _Same:
    """A provider of credentials, which need not be hashable, and is equal only to itself."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.provider is other.provider

    def __hash__(self) -> int:
        return id(self.provider)


# Labels and providers may be many: those not used of late end with their last lock.
@lru_cache(maxsize=16)
def _of_few(url: str, prefix: str, label: str | None, provider: _Same | None) -> Client:
    credentials = None if provider is None else of_provider(provider.provider)
    return Client(url or None, prefix=prefix, label=label, credentials=credentials)


def client_of(store: Store, prefix: str, label: str | None = None) -> Client:
    """The store itself if it is a Client, or one that those share who pass these."""
    if isinstance(store, Client):
        if prefix:
            raise UsageError("a lock of a Client has the prefix of that: say Client(..., prefix=...)")
        if label is not None:
            raise UsageError("a lock of a Client has the label of that as its owner_id: say "
                             "Client(..., label=...)")
        return store
    if type(store) is str and label is None and (known := _shared.get((store, prefix))):
        return known  # at once, for who makes a lock for each acquisition
    provider = provider_of(store)
    if label is not None or provider is not None:
        return _of_few(url_of(store), prefix, label, None if provider is None else _Same(provider))
    key = (url_of(store), prefix)
    return _shared.get(key) or _shared.setdefault(key, Client(key[0] or None, prefix=prefix))
