"""Event: something that happened to a lock of a client, for logs and tracers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from . import _dlock, _hubs, _process
from ._infos import LockInfo, lock_of
from ._names import text_of

EventKind = Literal["acquired", "waiting", "released", "lost", "timed_out", "deadlock", "elected",
                    "deposed"]
LeaseKind = Literal["mutex", "reader", "writer", "upgradeable", "upgrade", "permits", "part"]
Way = Literal["request", "grant", "passing"]
LossReason = Literal["expired", "gone", "taken", "broken", "max_hold", "time_up"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a lock of a Client. Each acquisition is followed by one end:
    "released" or "lost".

    `kind` says what happened, `name` to which lock or election, without the prefix, and `lock` what
    the lease holds, or would. `at` is when, as `time.time()`. `fence` is that of the lease, or 0.
    `way` is how a lease was "acquired", `reason` why it was "lost", or its leader "deposed". `waited`
    is for how many seconds the wait lasted, of "acquired", "waiting", "timed_out" and "deadlock";
    `held` for how many the lease was held, of "released", "lost" and "deposed". `place` is the place
    in the queue, 1 being next, of "waiting" and "timed_out"; 0 if it is not known. `store` says who
    holds and who waits, of "waiting", if the server said so. `text` is a line for people. `dropped`
    counts the events just before this one that on_event was too slow for."""

    kind: EventKind
    name: str
    lock: LeaseKind
    at: float
    fence: int
    way: Way | None
    reason: LossReason | None
    waited: float
    held: float
    place: int
    store: LockInfo | None
    text: str
    dropped: int


EventHandler = Callable[[Event], object]


def telling(on_event: EventHandler) -> Callable[[_dlock.Event], None]:
    """The function by which the library tells it."""

    def tell(fields: _dlock.Event) -> None:
        kind, name, lock, at, fence, way, reason, waited, held, place, store, text, dropped = fields
        event = Event(cast(EventKind, kind), text_of(name), cast(LeaseKind, lock), at, fence,
                      cast("Way | None", way), cast("LossReason | None", reason), waited, held,
                      place, None if store is None else lock_of(store), text_of(text), dropped)
        _hubs.at_home(partial(_call, on_event, event))

    return tell


def _call(on_event: EventHandler, event: Event) -> None:
    try:
        on_event(event)
    except BaseException:  # sys.exit() too: it cannot end the program from here
        _process.log.exception("on_event failed")
