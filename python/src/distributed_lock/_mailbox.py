"""Mailbox: where the answers of asynchronous calls wait for the event loop that made the calls."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections import deque
from collections.abc import Callable
from typing import TypeVar, Union

from . import _dlock

T = TypeVar("T")

# Takes the answer: a lease or none, an error's code and message, and the place in the queue.
Deliver = Callable[[Union[_dlock.Lease, None], int, str, int], None]


class Answer(asyncio.Future[T]):
    """The answer of a call, for one task to await. The task goes on where the answer is delivered, in a
    callback of the loop: by way of the loop's queue that would take it another turn."""

    _wake_up: Callable[[Answer[T]], object] | None = None
    _context: contextvars.Context | None = None

    def add_done_callback(self, callback: Callable[[Answer[T]], object], *,
                          context: contextvars.Context | None = None) -> None:
        if context is None or self._wake_up is not None or self.done():
            super().add_done_callback(callback, context=context)
        else:
            self._wake_up, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        callback, self._wake_up = self._wake_up, None
        if callback is not None:
            super().add_done_callback(callback, context=self._context)
        return super().cancel(msg)

    def deliver(self, result: T) -> None:
        """Sets it. Raises only what ends the loop."""
        self.set_result(result)
        self._go_on()

    def fail(self, error: BaseException) -> None:
        """The same with an error."""
        self.set_exception(error)
        self._go_on()

    def _go_on(self) -> None:
        callback, self._wake_up = self._wake_up, None
        if callback is not None:
            assert self._context is not None
            self._context.run(callback, self)


class Mailbox:
    """The mailbox of one loop. The library puts answers in without the GIL, and one wake-up of the loop
    takes all that have come. Only the loop keeps it: so when the loop is closed, the leases that came
    or still come are given back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.native = _dlock.Mailbox()
        self._loop = weakref.ref(loop)
        self._deliver: dict[int, Deliver] = {}
        self._last = 0
        self._answers: deque[tuple[int, _dlock.Lease | None, int, str, int]] = deque()
        # The context of whoever is first is not that of all.
        contextvars.Context().run(loop.add_reader, self.native.descriptor, self._take)

    def expect(self, deliver: Deliver) -> int:
        """The number of a new call, whose answer `deliver` takes in the loop. It raises only what ends
        the loop."""
        self._last += 1
        self._deliver[self._last] = deliver
        return self._last

    def forget(self, number: int) -> None:
        """That call did not begin."""
        del self._deliver[number]

    def _take(self) -> None:
        answers = self._answers
        answers.extend(self.native.take())
        try:
            while answers:
                number, lease, code, what, place = answers.popleft()
                self._deliver.pop(number)(lease, code, what, place)
        finally:
            if answers and (loop := self._loop()) is not None:
                loop.call_soon(self._take)


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Mailbox]] = (
    weakref.WeakKeyDictionary())
_latest: Callable[[], Mailbox | None] = lambda: None  # of these: a look into the dictionary takes longer


def mailbox_of(loop: asyncio.AbstractEventLoop) -> Mailbox:
    """The one of the loop, which runs here."""
    global _latest
    mailbox = _latest()
    if mailbox is None or mailbox._loop() is not loop:
        known = _mailboxes.get(loop)
        mailbox = None if known is None else known()
        if mailbox is None:
            mailbox = Mailbox(loop)
            _mailboxes[loop] = weakref.ref(mailbox)
        _latest = _mailboxes[loop]
    return mailbox
