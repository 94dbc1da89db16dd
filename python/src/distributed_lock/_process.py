"""What a process has of the library: one client for each store, and the leases it holds.

A forked child begins with none. At the end of the program what is still held is released.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from typing import Protocol

from . import _dlock

log = logging.getLogger("distributed_lock")
log.addHandler(logging.NullHandler())
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class Holding(Protocol):
    """A lease that can be given back."""

    def release(self) -> None: ...


_lock = threading.Lock()
_clients: dict[tuple[str, str], _dlock.Client] = {}
_held: weakref.WeakSet[Holding] = weakref.WeakSet()
_generation = 0


def generation() -> int:
    """How often this process came out of a fork: what is older than that is the parent's."""
    return _generation


def client(url: str, prefix: str) -> _dlock.Client:
    """The client of this process for these settings; connects when it is first used."""
    with _lock:
        key = (url, prefix)
        found = _clients.get(key)
        if found is None:
            found = _clients[key] = _dlock.Client(url, prefix, _report)
        return found


def hold(lease: Holding) -> None:
    """Remembers that it must be released at the end of the program."""
    with _lock:
        _held.add(lease)


def _report(level: int, text: str) -> None:
    log.log(_LEVELS[level], "%s", text)


def _begin_child() -> None:
    global _lock, _held, _generation
    _generation += 1
    _lock = threading.Lock()  # another thread of the parent may have had it
    _held = weakref.WeakSet()
    _dlock.reset_gate()
    _clients.clear()


def _end() -> None:
    for lease in list(_held):
        try:
            lease.release()
        except Exception as error:
            log.warning("at the end of the program: %s", error)
    for one in list(_clients.values()):
        one.close()
    _dlock.close_gate()


os.register_at_fork(after_in_child=_begin_child)
atexit.register(_end)
