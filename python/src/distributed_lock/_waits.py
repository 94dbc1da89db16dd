"""Calls that may wait, made so that others run meanwhile: the greenlets of gevent and eventlet, and
the tasks of asyncio. The call is made on a thread of its own, which the library ends when nobody
wants its result any more. It is none of a pool's, which may be full of those who wait for the very
thing that is to be given back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from . import _dlock, _hubs
from ._errors import UsageError

T = TypeVar("T")


class _Enterable(Protocol):
    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None: ...


H = TypeVar("H", bound=_Enterable)


class _Call:
    """A call on a thread of its own. `wake()` is called there when it has ended; it returns whether
    somebody could be told."""

    def __init__(self, function: Callable[[], Any], wake: Callable[[], object]) -> None:
        self._function: Callable[[], Any] | None = function
        self._wake = wake
        self._stop = _dlock.Stop()
        self._lock = _hubs.original("_thread", "allocate_lock")()  # for moments, without a switch
        self._wanted = True
        self._result: Any = None
        self._error: BaseException | None = None
        _hubs.original("_thread", "start_new_thread")(self._run, ())

    def _run(self) -> None:
        function, self._function = self._function, None
        result: Any = None
        error: BaseException | None = None
        try:
            assert function is not None
            self._stop.bind()
            result = function()
        except BaseException as raised:  # it is the caller's
            error = raised
        del function
        with self._lock:
            if self._wanted:
                self._result, self._error = result, error
                try:
                    self._wake()
                except RuntimeError:  # the loop is closed
                    self._result = self._error = None
        # Else a lease that came after all is dropped here, on a thread that may wait: it is released.

    def stop(self) -> None:
        """Ends the wait; the call may take a while, and have a result."""
        self._stop.request()

    def give_up(self) -> None:
        """Nobody waits any more: ends the wait, and drops the result."""
        with self._lock:
            self._wanted = False
            late, self._result = [self._result], None
        self._stop.request()
        if late[0] is not None:
            _hubs.original("_thread", "start_new_thread")(late.clear, ())

    def has_result(self) -> bool:
        """Whether it returned something."""
        return self._result is not None

    def result(self) -> Any:
        """Returns or raises what the call returned or raised."""
        result, self._result = self._result, None
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                error = None  # else it refers to itself
        return result


def blocking(function: Callable[[bool], T], *, finish: bool = False) -> T:
    """Returns the result of `function(in_main_thread)`, which may wait. Where gevent or eventlet run
    greenlets in this thread, others run meanwhile; a greenlet that is killed, or whose time is up,
    ends the wait. With `finish` the wait first lasts until the call has ended, since that changes
    something of the caller's."""
    hub = _hubs.current()
    if hub is None:
        return function(_hubs.in_main_thread())
    if hub.is_running_callback():
        raise UsageError(f"a callback of the {hub.name} hub must not wait: spawn a greenlet for it")
    return _in_hub(hub, lambda: function(False), finish)


def brief(function: Callable[[], T]) -> T:
    """The same of a call that asks the server one thing."""
    hub = _hubs.current()
    if hub is None or hub.is_running_callback():
        return function()
    return _in_hub(hub, function, True)


def _in_hub(hub: _hubs.Hub, function: Callable[[], T], finish: bool) -> T:
    _hubs.make_home(hub)
    waiter = hub.waiter()
    call = _Call(function, waiter.wake)
    try:
        try:
            waiter.wait()
        except BaseException:
            if finish:
                call.stop()
                _outwait(waiter)
            raise
    except BaseException:
        call.give_up()
        raise
    finally:
        with call._lock:  # nobody wakes any more
            call._wanted = False
            waiter.close()
    result: T = call.result()
    return result


def _outwait(waiter: _hubs.Waiter) -> None:
    while True:
        try:
            return waiter.wait()
        except BaseException:  # what was raised first counts
            continue


async def in_thread(function: Callable[[], T], *, finish: bool = False,
                    undo: Callable[[T], object] | None = None) -> T:
    """The same for asyncio. A cancellation ends the wait. `undo(result)` is called, in a thread, for
    a result that came all the same, with `finish`."""
    loop = running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    call = _Call(function, lambda: loop.call_soon_threadsafe(tell))
    try:
        try:
            if finish:
                await asyncio.shield(ended)
            else:
                await ended
        except asyncio.CancelledError:
            if finish:
                call.stop()
                await _outwaited(ended)
                if undo is not None and call.has_result():
                    undoing: T = call.result()
                    await _outwaited(asyncio.ensure_future(in_thread(lambda: undo(undoing))))
            raise
    except BaseException:  # cancelled, or the loop has ended
        call.give_up()
        raise
    result: T = call.result()
    return result


async def _outwaited(future: asyncio.Future[Any]) -> None:
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:  # the first one counts
            continue
    if not future.cancelled() and future.exception() is not None:
        pass  # nobody asked for it


class Coming(Generic[H]):
    """The result of a wait: `await` it, or use it in `async with`, which releases it."""

    def __init__(self, wait: Callable[[], Coroutine[Any, Any, H]]) -> None:
        self._wait = wait
        self._held: H | None = None
        self._is_used = False

    def __await__(self) -> Generator[Any, None, H]:
        return self._wait().__await__()

    async def __aenter__(self) -> H:
        if self._is_used:
            raise UsageError("this is in an `async with` already: make another one")
        self._is_used = True
        try:
            self._held = held = await self._wait()
            await held.__aenter__()
            return held
        except BaseException:
            self._is_used = False
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        held, self._held, self._is_used = self._held, None, False
        assert held is not None
        await held.__aexit__(kind, error, trace)


def running_loop() -> asyncio.AbstractEventLoop:
    """Raises UsageError without one, as in trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError("no event loop of asyncio runs here: where there is another one, as of "
                         "trio, wait in a thread, as in `await trio.to_thread.run_sync("
                         "lock.acquire)` with a DistributedLock") from None

