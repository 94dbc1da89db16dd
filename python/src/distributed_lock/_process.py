"""The objects of a process: one client for each store, and the leases that it holds.

A forked child begins with none. The end of the program releases all that it still holds.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from . import _bundled_server, _dlock, _hubs
from ._errors import UsageError
from ._names import bytes_of

T = TypeVar("T")

log = logging.getLogger("distributed_lock")
log.addHandler(logging.NullHandler())
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class OfProcess:
    """Is neither pickled nor deeply copied: connections and leases belong to one process."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a lock object belongs to its process, and is neither pickled nor deeply "
                        "copied: make another one from the same settings")


class Holding(Protocol):
    """A lease that can be given back."""

    def end(self, *, must_wait: bool) -> None:
        """At the end of the program; nothing if it is none of `must_wait`."""


_clients: weakref.WeakValueDictionary[int, _dlock.Client] = weakref.WeakValueDictionary()
_held: set[weakref.ref[Holding]] = set()  # each takes itself out: no code of Python runs for that
_generation = 0
_is_connected = False  # whether this process has made a client
_label: str | None = None


def set_label(text: str) -> None:
    """Sets the text by which `dlock info` and inspect_lock() show this process to others; without a
    call, it is the name of the script. Call it before the first lock object is made; in the child of
    a fork, which connects anew, before the child uses one. Raises UsageError when it is too late."""
    global _label
    if _is_connected:
        raise UsageError("set_label() comes too late: call it before the first lock object is made")
    _label = text


def _own_label() -> str:
    if _label is not None:
        return _label
    script = Path(sys.argv[0] if getattr(sys, "argv", None) else "")
    name = script.parent.name if script.name == "__main__.py" else script.name
    return "" if name == "-c" else name


def generation() -> int:
    """How often this process came out of a fork: objects of an earlier generation are the parent's."""
    return _generation


def new_client(url: str, prefix: str, label: str | None,
               group: Callable[[bytes], bytes] | None,
               on_event: Callable[[_dlock.Event], None] | None, slow_wait: int | None,
               credentials: _dlock.Credentials | None) -> _dlock.Client:
    """A client for this process; connects when it is first used. Without a `label` it has that of
    set_label()."""
    global _is_connected
    if not url or url.startswith("local:"):
        _bundled_server.offer()
    shown = bytes_of(_own_label() if label is None else label)
    client = _dlock.Client(url, prefix, shown, _report, group, on_event, slow_wait,
                           credentials)
    _is_connected = True
    _clients[id(client)] = client
    return client


def hold(lease: Holding) -> None:
    """Remembers that it must be released at the end of the program."""
    _held.add(weakref.ref(lease, _held.discard))


def _report(level: int, text: str) -> None:
    # On a thread of the library, for which the locks of handlers may be those of greenlets.
    _hubs.at_home(partial(log.log, _LEVELS[level], "%s", text))


def _alive(objects: Sequence[weakref.ref[T]]) -> list[T]:
    """Those that are still there."""
    return [one for each in objects if (one := each()) is not None]


def _begin_child() -> None:
    global _held, _clients, _generation, _is_connected
    _generation += 1
    _is_connected = False
    _held = set()
    _hubs.leave_home()
    _dlock.reset_gate()
    for one in _alive(_clients.valuerefs()):
        one.close()
    _clients = weakref.WeakValueDictionary()


def _release_all() -> None:
    held = _alive(list(_held))  # other threads may add some meanwhile
    for must_wait in (False, True):  # so that where no server answers, most take one timeout together
        for lease in held:
            try:
                lease.end(must_wait=must_wait)
            except Exception as error:
                log.warning("at the end of the program: %s", error)


def _end() -> None:
    _hubs.leave_home()
    _release_all()
    for one in _alive(_clients.valuerefs()):
        one.close()
    _release_all()  # what a daemon thread got meanwhile, perhaps by a release above
    _dlock.close_gate()


os.register_at_fork(after_in_child=_begin_child)
atexit.register(_end)
