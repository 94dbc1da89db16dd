"""Lease: the right to act as the holder of a lock, for a time; and Lost, the sign that it ended.

Held is what a Lease has in common with what is held in other ways."""

from __future__ import annotations

import asyncio
import sys
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Union

from . import _dlock, _hubs, _process
from ._errors import DistributedLockError, LockLost, UsageError, made_of
from ._mailbox import Answer, mailbox_of
from ._names import quoted
from ._release import release_after, release_after_async
from ._spans import Seconds, limit_of
from ._waits import blocking, brief, in_thread, running_loop

if TYPE_CHECKING:
    from typing_extensions import Self

LostCallback = Callable[[], object]
LostEntry = tuple[LostCallback, Union[_hubs.Post, None]]


class Lost:
    """Set before the lease can end, or as soon as dlock learns that it has ended, not by a release.
    Used like a threading.Event that only the library sets. Thread-safe."""

    def __init__(self, lease: _dlock.Held) -> None:
        self._lease = lease
        # Without a mutex: under gevent and eventlet it would be none between our threads.
        self._callbacks: deque[LostEntry] = deque()
        self._watched = False

    def is_set(self) -> bool:
        """Whether the lease is lost."""
        return self._lease.is_lost()

    def __repr__(self) -> str:
        return f"<Lost: {'set' if self.is_set() else 'not set'}>"

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Waits until it is set, at most `timeout` seconds; returns whether it is."""
        limit = limit_of(timeout)
        return blocking(lambda _: self._lease.wait_lost(limit))

    async def wait_async(self, timeout: Seconds | None = None) -> bool:
        """The same in asyncio, without a thread."""
        loop = running_loop()
        is_set = asyncio.Event()

        def tell() -> None:
            try:
                loop.call_soon_threadsafe(is_set.set)
            except RuntimeError:  # the loop is closed
                pass

        limit = limit_of(timeout)
        self._add((tell, None))
        try:
            await asyncio.wait_for(is_set.wait(), None if limit is None else max(limit, 0) / 1000)
        except asyncio.TimeoutError:
            pass
        finally:
            self._remove((tell, None))
        return self.is_set()

    def add_callback(self, callback: LostCallback) -> None:
        """`callback()` is called once when it is set, on a thread of the library (here and now if
        it is set already). All callbacks of a store run one after another: it should be short.
        Where gevent or eventlet run greenlets in this thread, it is called in one of them."""
        hub = _hubs.current()
        self._add((callback, None if hub is None else hub.post()))

    def _add(self, entry: LostEntry) -> None:
        self._callbacks.append(entry)
        if not self._watched:
            self._watched = True
            me = weakref.ref(self)  # the library must not keep us: who drops the lease releases it
            self._lease.watch_lost(lambda: _run(me()))
        elif self.is_set():
            _run(self)

    def _remove(self, entry: LostEntry) -> None:
        try:
            self._callbacks.remove(entry)
        except ValueError:  # it was called
            pass


def _run(lost: Lost | None) -> None:
    while lost is not None:
        try:
            callback, post = lost._callbacks.popleft()
        except IndexError:
            return
        if post is None or not post(partial(_call, callback)):
            _call(callback)


def _call(callback: LostCallback) -> None:
    try:
        callback()
    except BaseException:  # sys.exit() too: it cannot end the program from here
        _process.log.exception("a callback of `lost` failed")


class CancelOnLoss:
    """Cancels the body of `async with` when a lease is lost."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._is_cancelling = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        loop = running_loop()
        assert task is not None

        def cancel() -> None:
            if self._entry is not None:
                self._is_cancelling = True
                task.cancel()

        def tell() -> None:
            try:
                loop.call_soon_threadsafe(cancel)
            except RuntimeError:  # the loop is closed
                pass

        self._task = task
        self._entry: LostEntry | None = (tell, None)
        self._held.ensure_held()
        self._held.lost._add(self._entry)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        entry, self._entry = self._entry, None
        assert entry is not None
        self._held.lost._remove(entry)
        if not self._is_cancelling:
            return
        others = 0
        if sys.version_info >= (3, 11):
            others = self._task.uncancel()
        if others == 0 and isinstance(error, asyncio.CancelledError):
            self._held.ensure_held()
            raise LockLost(f"the lease of {quoted(self._held.name)} is about to end: its renewal was "
                           "not confirmed in time")


class Held:
    """Something that is held for a time, and renewed. Any thread may use and release it. A context
    manager, which releases, and can be entered once. If the program drops it, the package warns
    (ResourceWarning, and the log `distributed_lock`) and releases it."""

    _lost: Lost | None = None

    def __init__(self, held: _dlock.Held, name: str) -> None:
        self._held = held
        self._name = name
        self._entered = False
        _process.hold(self)

    @property
    def name(self) -> str:
        """The name of the lock."""
        return self._name

    @property
    def lost(self) -> Lost:
        """Tells that the lease is about to end, or has."""
        return self._lost or self.__dict__.setdefault("_lost", Lost(self._held))

    @property
    def valid_for(self) -> float:
        """Seconds until the lease ends if it is not renewed; 0 when it is over."""
        return self._held.valid_for() / 1000

    @property
    def held(self) -> bool:
        """Whether it still holds."""
        return self._held.held

    def ensure_held(self) -> None:
        """Raises LockLost if it does not hold any more, UsageError after a release, and Forked in
        a child of the process that acquired it."""
        self._held.ensure_held()

    def release(self) -> None:
        """Gives the lock back; twice does nothing. Raises LockLost if the lease had ended before,
        and Unreachable if the server did not answer (the release is then repeated)."""
        brief(self._held.release)

    async def release_async(self) -> None:
        """release() without blocking the loop of asyncio. A cancellation does not stop it."""
        await in_thread(self._held.release, finish=True)

    def cancel_on_loss(self) -> CancelOnLoss:
        """For asyncio: `async with lease.cancel_on_loss():` cancels its body, in the task that runs
        it, when the lease is lost, and raises LockLost then."""
        return CancelOnLoss(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await release_after_async(self.release_async, error)

    def __enter__(self) -> Self:
        if self._entered and self.held:
            raise UsageError(f"the lease of {quoted(self._name)} is in a with-block already, whose "
                             "end releases it: acquire another one")
        self._held.ensure_held()
        self._entered = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(self.release, error)

    def _facts(self) -> str:
        """The constant members, for a repr."""
        return ""

    def __repr__(self) -> str:
        state = "lost" if self._held.is_lost() else "held" if self.held else "not held"
        return f"<{type(self).__name__} of {quoted(self._name)}{self._facts()}, {state}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is held once, and neither copied nor pickled: hand "
                        "on its name and fence")

    def __del__(self) -> None:
        held = getattr(self, "_held", None)
        if held is None or not held.held:
            return
        report_dropped(self._name, self)
        try:
            self._drop()
        except DistributedLockError as failed:
            _process.log.warning("%s", failed)

    def _drop(self) -> None:
        brief(self._held.release)

    def end(self, *, must_wait: bool) -> None:
        """For the end of the program."""
        if must_wait:
            self._held.release()


class Lease(Held):
    """A held lock.

    It is renewed in the background, but can be lost all the same: when the process or the network
    stands still for longer than the ttl, or the server loses its data."""

    def __init__(self, lease: _dlock.Lease, name: str) -> None:
        super().__init__(lease, name)
        self._lease = lease

    @property
    def fence(self) -> int:
        """Grows with every holder of this name: let the resource reject smaller ones."""
        return self._lease.fence

    def _facts(self) -> str:
        return f", fence {self.fence}"

    async def release_async(self) -> None:
        """release() without blocking the loop of asyncio. A cancellation does not stop it."""
        loop = running_loop()
        mailbox = mailbox_of(loop)
        answer: Answer[None] = Answer(loop=loop)

        def deliver(_: _dlock.Lease | None, code: int, what: str, _place: int) -> None:
            if answer.done():
                return
            if code == 0:
                answer.deliver(None)
            else:
                answer.fail(made_of(
                    code, f"the release of {quoted(self.name)}: {what}"))

        number = mailbox.expect(deliver)
        try:
            self._lease.release_into(mailbox.native, number)
        except BaseException:
            mailbox.forget(number)
            raise
        del mailbox  # only the loop may keep it
        await answer

    def _drop(self) -> None:
        # A thread with greenlets or tasks must not wait for what nobody asked for.
        if _hubs.current() is None and asyncio._get_running_loop() is None:
            super()._drop()
        else:
            self._lease.release_later(ignore)

    def end(self, *, must_wait: bool) -> None:
        """For the end of the program."""
        if not must_wait:
            self._lease.release_later(_log_failure)


def ignore(code: int, what: str) -> None:
    """Takes the outcome of a release for which nobody waits; the library repeats it if necessary."""


def _log_failure(code: int, what: str) -> None:
    if code != 0:
        _process.log.warning("at the end of the program: %s", what)


def report_dropped(name: str, source: object) -> None:
    """Warns that the program dropped a lease without releasing it."""
    text = (f"the lease of {quoted(name)} was dropped while it was held: it is given back now. "
            "Release it, or use `with`")
    _process.log.warning("%s", text)
    warnings.warn(text, ResourceWarning, stacklevel=2, source=source)
