"""Stats: what a client has counted and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from . import _dlock
from ._names import text_of

_BOUNDS = tuple(_dlock.histogram_bounds)


@dataclass(frozen=True)
class Histogram:
    """How long something took, each time. `counts` are the numbers of times in each range, not
    cumulative. `bounds` are the upper bounds of the ranges in seconds, each of which belongs to the
    range below it; the last range has none. `count` is the sum of `counts`, `sum` that of all times,
    in seconds."""

    bounds: Sequence[float]
    counts: Sequence[int]
    count: int
    sum: float

    def quantile(self, q: float) -> float:
        """The time in seconds below which the share `q` (0.99) of all times was, interpolated in its
        range; 0 if there are none, and the last bound if it is beyond that."""
        wanted = min(max(q, 0.0), 1.0) * self.count
        lower = 0.0
        for bound, here, below in zip(self.bounds, self.counts, accumulate(self.counts)):
            if here > 0 and below >= wanted:
                return lower + (bound - lower) * (wanted - (below - here)) / here
            lower = bound
        return 0.0 if self.count == 0 else self.bounds[-1]


@dataclass(frozen=True)
class LockStats:
    """What concerns leases and waits, of one group of locks or of all.

    `acquired` counts all acquisitions. Of these, another client's release `granted` some, and another
    thread of this client `passed` some on. `acquisitions` counts them by kind ("mutex", "reader",
    "writer", "upgradeable", "upgrade", "permits", "part") and way ("request", "grant", "passing").
    `lost` counts leases that ended while they were still wanted; `losses` by reason ("expired",
    "gone", "taken", "broken", "max_hold", "time_up"). `timed_out` counts waits whose limit passed,
    `deadlocks` those that ended with Deadlock. `held` leases are held now, and `waiting` calls are
    under way.

    `wait` measures from the call to the lease, of each acquisition; `hold` from the lease to the call
    that released it, or to its loss; `handoff_gap` from the release of another client to the lease
    that it granted, so how long the lock served nobody."""

    acquired: int
    granted: int
    passed: int
    released: int
    lost: int
    timed_out: int
    deadlocks: int
    held: int
    waiting: int
    acquisitions: Mapping[str, Mapping[str, int]]
    losses: Mapping[str, int]
    wait: Histogram
    hold: Histogram
    handoff_gap: Histogram


@dataclass(frozen=True)
class GroupStats(LockStats):
    """The statistics of one group of locks: what the `group` of a Client returned."""

    group: str


@dataclass(frozen=True)
class Stats(LockStats):
    """All statistics of a client since it was made, of one moment. What it has in common with
    LockStats are the sums over all groups.

    `renewals` counts renewals of leases that the server confirmed, `reconnects` the connections after
    the first, `commands` the commands to the server, `sent_bytes` and `received_bytes` what these
    took without encryption, `dropped_events` what `on_event` was too slow for. `groups` lists each
    group that was used, by its name; the locks without a group are first, as "". A client keeps 64
    groups apart, and counts later ones as "other". `elections` says for each election in which the
    client has campaigned whether it leads: the first 64."""

    renewals: int
    reconnects: int
    commands: int
    sent_bytes: int
    received_bytes: int
    dropped_events: int
    groups: Mapping[str, GroupStats]
    elections: Mapping[str, bool]


def stats_of(client: _dlock.Client) -> Stats:
    """The statistics of the library's client. Does not ask the server."""
    total, counters, groups, elections = _dlock.stats(client)
    renewals, reconnects, commands, sent, received, dropped = counters
    return Stats(*_lock_stats_of(total), renewals, reconnects, commands, sent, received, dropped,
                 {(name := text_of(group)): GroupStats(*_lock_stats_of(one), name)
                  for group, one in groups},
                 {text_of(name): leads for name, leads in elections})


# The fields of LockStats, in their order.
_Fields = tuple[int, int, int, int, int, int, int, int, int, Mapping[str, Mapping[str, int]],
                Mapping[str, int], Histogram, Histogram, Histogram]


def _lock_stats_of(one: _dlock.LockStats) -> _Fields:
    counters, acquisitions, losses, wait, hold, gap = one
    acquired, granted, passed, released, lost, timed_out, deadlocks, held, waiting = counters
    by_kind = {kind: dict(zip(_dlock.ways, ways))
               for kind, ways in zip(_dlock.lease_kinds, acquisitions)}
    return (acquired, granted, passed, released, lost, timed_out, deadlocks, held, waiting, by_kind,
            dict(zip(_dlock.loss_reasons, losses)), Histogram(_BOUNDS, *wait),
            Histogram(_BOUNDS, *hold), Histogram(_BOUNDS, *gap))
