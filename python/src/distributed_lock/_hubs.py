"""The hubs of gevent and eventlet: where greenlets wait, and where callbacks of the library run that
greenlets asked for. Neither is imported unless the program has done so."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol


def original(module: str, name: str) -> Any:
    """The original of an object that gevent or eventlet may replace, at any time."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_object_patched(module, name):
        return monkey.get_original(module, name)
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.already_patched:
        return getattr(patcher.original(module), name)
    return getattr(sys.modules[module], name)


def in_main_thread() -> bool:
    """Whether Python runs signal handlers in this thread."""
    if "gevent.monkey" in sys.modules or "eventlet.patcher" in sys.modules:
        return bool(original("_thread", "get_native_id")() == os.getpid())
    return threading.current_thread() is threading.main_thread()


Post = Callable[[Callable[[], object]], bool]


class Waiter(Protocol):
    """Lets a greenlet wait for one thing."""

    def wake(self) -> None:
        """Ends the wait. To be called once, from any thread."""

    def wait(self) -> None:
        """Waits until it is woken. Raises what another greenlet throws into this one."""

    def close(self) -> None:
        """Frees it; `wake` must not be called any more."""


class Hub(Protocol):
    """The hub of one thread."""

    name: str

    def is_running_callback(self) -> bool: ...
    def waiter(self) -> Waiter: ...
    def post(self) -> Post:
        """A function for any thread, which runs its argument in a greenlet. It returns False if the
        hub has ended."""


def current() -> Hub | None:
    """The hub of this thread, if it has one, and so may have greenlets."""
    local = sys.modules.get("gevent._hub_local")
    if local is not None:
        hub = local.get_hub_if_exists()
        if hub is not None:
            return _Gevent(hub)
    hubs = sys.modules.get("eventlet.hubs")
    if hubs is not None:
        hub = getattr(getattr(hubs, "_threadlocal", None), "hub", None)
        if hub is not None:
            return _Eventlet(hub)
    return None


def greenlet() -> Any:
    """The one that runs here, if this thread has a hub."""
    if current() is None:
        return None
    return import_module("greenlet").getcurrent()


class _Gevent:
    name = "gevent"

    def __init__(self, hub: Any) -> None:
        self._hub = hub

    def is_running_callback(self) -> bool:
        return greenlet() is self._hub

    def waiter(self) -> Waiter:
        return _GeventWaiter(self._hub)

    def post(self) -> Post:
        spawn = import_module("gevent").spawn
        hub = weakref.ref(self._hub)

        def post(function: Callable[[], object]) -> bool:
            loop = getattr(hub(), "loop", None)
            if loop is None:
                return False
            loop.run_callback_threadsafe(spawn, function)
            return True

        return post


class _GeventWaiter:
    def __init__(self, hub: Any) -> None:
        self._event = import_module("gevent.event").Event()
        self._watcher = hub.loop.async_()  # keeps the loop at it
        self._watcher.start(self._event.set)
        self.wake = self._watcher.send

    def wait(self) -> None:
        self._event.wait()

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()


class _Eventlet:
    name = "eventlet"

    def __init__(self, hub: Any) -> None:
        self._hub = hub

    def is_running_callback(self) -> bool:
        return greenlet() is self._hub.greenlet

    def waiter(self) -> Waiter:
        return _EventletWaiter()

    def post(self) -> Post:
        mailbox = _mailboxes.get(self._hub)
        if mailbox is None or mailbox.process != os.getpid():
            mailbox = _mailboxes[self._hub] = _Mailbox()
        return mailbox.post


class _EventletWaiter:
    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._is_woken = False

    def wake(self) -> None:
        self._is_woken = True
        original("os", "write")(self._write, b"x")

    def wait(self) -> None:
        hubs = import_module("eventlet.hubs")
        while not self._is_woken:
            hubs.trampoline(self._read, read=True)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class _Mailbox:
    """Functions from other threads for a hub that has no queue for them itself."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._functions: deque[Callable[[], object]] = deque()
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        import_module("eventlet").spawn_n(self._deliver)

    def post(self, function: Callable[[], object]) -> bool:
        self._functions.append(function)
        try:
            original("os", "write")(self._write, b"x")
        except BlockingIOError:
            pass  # it is full of such, and read some time
        return True

    def _deliver(self) -> None:
        spawn = import_module("eventlet").spawn_n
        hubs = import_module("eventlet.hubs")
        while True:
            hubs.trampoline(self._read, read=True)
            original("os", "read")(self._read, 1000)
            while self._functions:
                spawn(self._functions.popleft())


_mailboxes: weakref.WeakKeyDictionary[Any, _Mailbox] = weakref.WeakKeyDictionary()


_home: Post | None = None


def make_home(hub: Hub) -> None:
    """The first hub that waits is where lines for the log go."""
    global _home
    if _home is None:
        _home = hub.post()


def at_home(function: Callable[[], object]) -> None:
    """Runs it in a greenlet of that hub; here and now if there is none, or it has ended."""
    if _home is None or not _home(function):
        function()


def leave_home() -> None:
    """In a forked child."""
    global _home
    _home = None
