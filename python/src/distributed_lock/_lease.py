"""Lease: the right to act as the holder of a lock, for a time; and Lost, the sign that it ended.

Held is what a Lease has in common with what is held in other ways."""

from __future__ import annotations

import math
import threading
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from . import _dlock, _process
from ._errors import DistributedLockError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

LostCallback = Callable[[], object]
_YEAR = 366 * 24 * 3600.0  # no wait is longer: that is for ever


def milliseconds(seconds: float) -> int:
    """Rounded up, so that a limit is never shorter than it was said to be."""
    if not math.isfinite(seconds):
        raise UsageError(f"not a number of seconds: {seconds}")
    return math.ceil(seconds * 1000)


def limit_of(timeout: float | None) -> int | None:
    """A wait limit as the library has it: None is none."""
    return None if timeout is None or timeout > _YEAR else milliseconds(timeout)


def in_main_thread() -> bool:
    """Whether Python runs signal handlers in this thread."""
    return threading.current_thread() is threading.main_thread()


class Lost:
    """Set before the lease can end, or as soon as it is known to have ended; not by a release.
    Used like a threading.Event that only the library sets. Thread-safe."""

    def __init__(self, lease: _dlock.Held) -> None:
        self._lease = lease
        self._callbacks: list[LostCallback] = []
        self._lock = threading.Lock()
        self._watched = False

    def is_set(self) -> bool:
        """Whether the lease is lost."""
        return self._lease.is_lost()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set, at most `timeout` seconds; returns whether it is."""
        return self._lease.wait_lost(None if timeout is None else milliseconds(timeout))

    def add_callback(self, callback: LostCallback) -> None:
        """`callback()` is called once when it is set, on a thread of the library (here and now if
        it is set already). All callbacks of a store run one after another: it should be short."""
        with self._lock:
            self._callbacks.append(callback)
            is_first, self._watched = not self._watched, True
        if is_first:
            me = weakref.ref(self)  # the library must not keep us: who drops the lease releases it
            self._lease.watch_lost(lambda: _run(me()))
        elif self.is_set():
            _run(self)

    def _take(self) -> list[LostCallback]:
        with self._lock:
            taken, self._callbacks = self._callbacks, []
            return taken


def _run(lost: Lost | None) -> None:
    for callback in lost._take() if lost is not None else []:
        try:
            callback()
        except Exception:
            _process.log.exception("a callback of `lost` failed")


class Held:
    """What is held for a time, and renewed. May be used and released by any thread; a context
    manager, which releases, and can be entered once. One that nobody has any more is reported
    (ResourceWarning, and the log `distributed_lock`) and released."""

    def __init__(self, held: _dlock.Held, name: str) -> None:
        self._held = held
        self._name = name
        self._entered = False
        self._lost = Lost(held)
        _process.hold(self)

    @property
    def name(self) -> str:
        """The name of the lock."""
        return self._name

    @property
    def lost(self) -> Lost:
        """Tells that the lease is about to end, or has."""
        return self._lost

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
        self._held.release()

    def __enter__(self) -> Self:
        if self._entered and self.held:
            raise UsageError(f'the lease of "{self._name}" is in a with-block already, whose end '
                             'releases it: acquire another one')
        self._held.ensure_held()
        self._entered = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        release_after(self.release, error)

    def __del__(self) -> None:
        held = getattr(self, "_held", None)
        if held is None or not held.held:
            return
        report_dropped(self._name, self)
        try:
            held.release()
        except DistributedLockError as failed:
            _process.log.warning("%s", failed)


class Lease(Held):
    """A held lock.

    It is renewed in the background, but can be lost all the same: when the process or the network
    stands still for longer than the ttl, or the server loses its data."""

    def __init__(self, lease: _dlock.Lease, name: str) -> None:
        super().__init__(lease, name)
        self._lease = lease

    @property
    def fence(self) -> int:
        """Grows with every holder of this name: a resource refuses the smaller ones."""
        return self._lease.fence


def report_dropped(name: str, source: object) -> None:
    """That nobody has it any more, and nobody has released it."""
    text = (f'the lease of "{name}" was dropped while it was held: it is given back now. Release it, '
            "or use `with`")
    _process.log.warning("%s", text)
    warnings.warn(text, ResourceWarning, stacklevel=2, source=source)


def release_after(release: Callable[[], None], error: BaseException | None) -> None:
    """Releases; if that fails and the body failed before, the body's exception goes on alone."""
    try:
        release()
    except DistributedLockError as failed:
        if error is None:
            raise
        note_failed_release(error, failed)


def note_failed_release(error: BaseException, failed: DistributedLockError) -> None:
    """The failure of a release as a note to the exception that is under way, and in the log."""
    text = f"the release failed as well: {type(failed).__name__}: {failed}"
    _process.log.error("%s", text)
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(text)
