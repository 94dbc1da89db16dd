"""Mailbox: where the answers of asynchronous calls wait for the event loop that made the calls."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from typing import Union

from . import _dlock

# Takes the answer: a lease or none, an error's code and message, and the place in the queue.
Deliver = Callable[[Union[_dlock.Lease, None], int, str, int], None]


class Mailbox:
    """The mailbox of one loop. The library puts answers in without the GIL, and one wake-up of the loop
    takes all that have come. Only the loop keeps it: so when the loop is closed, the leases that came
    or still come are given back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.native = _dlock.Mailbox()
        self._deliver: dict[int, Deliver] = {}
        self._last = 0
        # The context of whoever is first is not that of all.
        contextvars.Context().run(loop.add_reader, self.native.descriptor, self._take)

    def expect(self, deliver: Deliver) -> int:
        """The number of a new call, whose answer `deliver` takes in the loop. It must not raise."""
        self._last += 1
        self._deliver[self._last] = deliver
        return self._last

    def forget(self, number: int) -> None:
        """That call did not begin."""
        del self._deliver[number]

    def _take(self) -> None:
        for number, lease, code, what, place in self.native.take():
            self._deliver.pop(number)(lease, code, what, place)


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Mailbox]] = (
    weakref.WeakKeyDictionary())


def mailbox_of(loop: asyncio.AbstractEventLoop) -> Mailbox:
    """The one of the loop, which runs here."""
    known = _mailboxes.get(loop)
    mailbox = None if known is None else known()
    if mailbox is None:
        mailbox = Mailbox(loop)
        _mailboxes[loop] = weakref.ref(mailbox)
    return mailbox
