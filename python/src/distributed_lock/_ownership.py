"""The owner of an acquisition: the thread or task that asked, while that goes on; then anybody.

A lock object has an entry for each of its leases that nobody has released yet. Exclusion allows one
live lease; the others are lost, and their owners have not noticed yet."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Generic, Literal, Protocol, TypeVar

from . import _hubs
from ._errors import UsageError
from ._names import quoted

# Where the stack of a pool's thread begins. What these call is a job: the thread outlives it.
_POOLS = frozenset({"concurrent", "multiprocessing", "anyio", "trio", "gevent", "eventlet"})
_BELOW_JOBS = _POOLS | {"threading", "asyncio", "contextlib", "functools", "outcome"}
_STEPPED = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_COROUTINE


def _module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


class _Thread:
    """A thread, or a greenlet. It goes away with that, since it lives in a local of it."""

    def __init__(self, greenlet: str | None = None) -> None:
        self.reference: weakref.ref[object] = weakref.ref(self)
        self.ident = threading.get_ident()
        self.name = greenlet or f"thread {quoted(threading.current_thread().name)}"
        self.is_pooled = (greenlet is None
                          and threading.current_thread() is not threading.main_thread()
                          and any(_module(frame) in _POOLS for frame in _stack(sys._getframe())))

    def __str__(self) -> str:
        return f"the {self.name}"

    def runs(self, job: FrameType) -> bool:
        return job in _stack(sys._current_frames().get(self.ident))


class _Local(threading.local):
    def __init__(self) -> None:
        self.thread = _Thread()


_local = _Local()
# Of the greenlets that are not told apart by a local: where gevent and eventlet replaced nothing, or
# did so late.
_greenlets: weakref.WeakKeyDictionary[Any, _Thread] = weakref.WeakKeyDictionary()


def _this_thread() -> _Thread:
    greenlet = _hubs.greenlet()
    if greenlet is None:
        return _local.thread
    found = _greenlets.get(greenlet)
    if found is None:
        found = _greenlets[greenlet] = _Thread(f"greenlet {id(greenlet):#x}")
    return found


def current_task() -> asyncio.Task[object] | None:
    """The task of asyncio that runs here, if one does."""
    loop = asyncio._get_running_loop()
    return None if loop is None else asyncio.current_task(loop)


class Caller:
    """The caller of a method of a lock. Not to be kept for long: it may have a frame."""

    __slots__ = ("_job", "code", "frame", "task", "thread")

    def __init__(self, frame: FrameType | None) -> None:
        self.thread = _this_thread()
        self.task = current_task()
        self.frame = id(frame)
        self.code: CodeType | None = None if frame is None else frame.f_code
        self._job = frame if self.thread.is_pooled else None

    @property
    def job(self) -> FrameType | None:
        """In a thread of a pool: the function that the pool called for its user, if it did. It is
        looked for here and now: of a caller whose call is under way."""
        frames = _stack(self._job)
        while frames and _module(frames[-1]) in _BELOW_JOBS:
            frames.pop()
        return frames[-1] if frames else None


class _Held(Protocol):
    @property
    def held(self) -> bool: ...


L = TypeVar("L", bound=_Held)


class Entry(Generic[L]):
    """One acquisition. `is_block`: of a with-block, which gives it back itself. `task`: for which it
    was made, else for the thread of the caller."""

    __slots__ = ("_code", "_frame", "_job", "_owner", "_task", "is_block", "lease", "name")
    is_late: Literal[False] = False  # unlike Late

    def __init__(self, lease: L, name: str, caller: Caller, is_block: bool,
                 task: asyncio.Task[object] | None = None) -> None:
        self.lease = lease
        self.name = name
        self.is_block = is_block
        self._frame = caller.frame
        self._code = caller.code
        self._job = None if task else caller.job
        self._task = None if caller.task is None else weakref.ref(caller.task)
        self._owner: weakref.ref[object] | None = None
        if task is not None:
            self._owner = weakref.ref(task)
        elif self._job or not caller.thread.is_pooled:
            self._owner = caller.thread.reference
        # Else the pool called us with no function of its user in between: nobody is at it.

    def is_of(self, caller: Caller) -> bool:
        """Whether the same task acquired it, or the same thread in the same job."""
        owner = None if self._owner is None else self._owner()
        if owner is None:
            return False
        if owner is not caller.thread:
            return owner is caller.task
        return self._job is None or self._is_in_frame_of(caller) or self._job is caller.job

    def _is_in_frame_of(self, caller: Caller) -> bool:
        return (self._frame == caller.frame and self._code is not None
                and self._code is caller.code)

    def nearness(self, caller: Caller) -> int:
        """How surely it belongs to the caller: 0, not at all; 3, the same run of a function acquired
        it, in whichever thread or task."""
        if self._is_in_frame_of(caller) and (
                self.is_block or (self._code and self._code.co_flags & _STEPPED)):
            return 3
        if not self.is_of(caller):
            return 0
        # The tasks of one thread may share a lock that knows only threads.
        task = None if self._task is None else self._task()
        return 2 if task is caller.task else 1

    def who(self) -> str | None:
        """The owner, if that still works under the lock; None: it belongs to anybody."""
        owner = None if self._owner is None else self._owner()
        if isinstance(owner, _Thread):
            if self._job is None or owner.runs(self._job):
                return str(owner)
        elif isinstance(owner, asyncio.Task) and not owner.done():
            return f"the task {quoted(owner.get_name())}"
        self._owner = self._job = None
        return None


class Ownership(Generic[L]):
    """The entries of one lock object. Thread-safe, and without a mutex, which a fork might find
    locked."""

    def __init__(self) -> None:
        self._entries: list[Entry[L]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nobody has anything."""
        return not self._entries

    def refuse_second(self, name: str, caller: Caller) -> None:
        """Raises UsageError if the caller would wait for itself."""
        for entry in self._entries and list(self._entries):
            if entry.name == name and entry.is_of(caller) and entry.lease.held:
                raise UsageError(f"the lock {quoted(name)} is held here already: it would wait "
                                 "for itself")

    def add(self, entry: Entry[L], caller: Caller) -> None:
        """Adds the caller's new entry, and forgets one that it lost before."""
        for other in self._entries and list(self._entries):
            if not (entry.is_block or other.is_block or other.nearness(caller) < 2
                    or other.lease.held):
                self.remove(other)
        try:
            self._entries.append(entry)
        except BaseException:  # of a signal handler, which may come after it: nobody will know of it
            self.remove(entry)
            raise

    def remove(self, entry: Entry[L]) -> bool:
        """Whether it was there."""
        try:
            self._entries.remove(entry)
        except ValueError:
            return False
        return True

    def of(self, caller: Caller) -> Entry[L] | None:
        """The caller's entry, or one whose owner has ended."""
        entries = list(self._entries)
        return self._own(entries, caller) or self._anybodys(entries)

    def take(self, caller: Caller, name: str) -> Entry[L]:
        """Removes and returns the entry that release() gives back. Raises UsageError if the caller may
        release none."""
        while True:
            entries = list(self._entries)
            entry = self._own(entries, caller) or self._anybodys(
                [entry for entry in entries if not entry.is_block])
            if entry is None:
                raise _not_ours(entries, name)
            if self.remove(entry):
                return entry

    def take_block(self, caller: Caller, name: str, found: list[Entry[L]]) -> Entry[L]:
        """The same for the end of a with-block, which may have been entered elsewhere. It never
        takes what somebody got after the block had lost its own. `found` has it before it is
        removed: it is taken again if a signal handler raises meanwhile."""
        if found:
            self.remove(found[0])
            return found[0]
        while (block := self._block(caller)) is not None:
            found[:] = [block]
            if self.remove(block):
                return block
        return self.take(caller, name)

    def _block(self, caller: Caller) -> Entry[L] | None:
        blocks = [entry for entry in list(self._entries) if entry.is_block]
        if len(blocks) > 1:
            near = [entry.nearness(caller) for entry in blocks]
            blocks = [entry for entry, one in zip(blocks, near) if one == max(near)]
            if max(near) < 3:
                blocks.sort(key=lambda entry: not entry.lease.held)  # what was lost goes first
        return blocks[-1] if blocks else None

    def absence(self, label: str) -> UsageError:
        """The error for a caller that does not hold the lock."""
        who = next((who for entry in list(self._entries) if (who := entry.who())), None)
        return UsageError(
            f"the lock {label} is not held here: acquire it first, each lease has a state of its own"
            if who is None else
            f"the lock {label} is not held here, but by {who}: hand on its `lease` there, to look at")

    def summary(self, caller: Caller) -> str:
        """The holder, for a repr."""
        held = [entry for entry in list(self._entries) if entry.lease.held]
        if not held:
            return ""
        return ", held" + next((f" by {who}" for entry in held
                                if not entry.is_of(caller) and (who := entry.who())), "")

    @staticmethod
    def _own(entries: list[Entry[L]], caller: Caller) -> Entry[L] | None:
        if len(entries) == 1:
            return entries[0] if entries[0].nearness(caller) else None
        found: Entry[L] | None = None
        best = (False, 0)
        for entry in entries:
            rank = (not entry.is_block, entry.nearness(caller))
            if rank[1] > 0 and rank >= best:
                found, best = entry, rank
        return found

    @staticmethod
    def _anybodys(entries: list[Entry[L]]) -> Entry[L] | None:
        return _lost_first([entry for entry in entries if entry.who() is None])


def _not_ours(others: list[Entry[L]], name: str) -> UsageError:
    text = f"the lock {quoted(name)} is not held here"
    if not others:
        return UsageError(f"{text}: there is nothing to release")
    who = others[-1].who() or "somebody"
    if others[-1].is_block:
        return UsageError(f"{text}, but in a with-block that {who} entered, whose end releases it")
    return UsageError(f"{text}, but by {who}, which is still at work: release it there; or use "
                      "Mutex(...).acquire(), whose lease anybody may release")


def _lost_first(entries: list[Entry[L]]) -> Entry[L] | None:
    # Where two could be meant, one was lost: to give back the other would let two in.
    return next((entry for entry in entries if not entry.lease.held),
                entries[-1] if entries else None)


def caller() -> Caller:
    """The caller of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    return Caller(frame)


F = TypeVar("F", bound=Callable[..., object])


def coroutine_function(function: F) -> F:
    """Marks a function that returns a coroutine, for those who look whether it is one. It is none,
    so that it can see who calls it: not all coroutines are run by the task that makes them."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return function
