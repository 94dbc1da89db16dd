"""Decides from a history what went wrong in it."""

import dataclasses

KINDS = {
    "overlap": "more holders at once than may be, by their own clocks",
    "fence_order": "a fence not greater than that of a holder whose lease was over",
    "fence_regressed": "a fence not greater than one known before the wait began",
    "stale_accepted": "the resource took a write of a former holder after one of a later holder",
    "stale_unfenced": "such a write came; the resource refused it by its fence",
    "endless_wait": "a process that did not come to its end",
    "failed_wait": "a wait that ended with an error, though the servers answered",
    "late_loss": "a holder not told before its lease ended",
    "leftover": "a key left on the server",
}


@dataclasses.dataclass
class Violation:
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


def check(history):
    """All violations, those of a lock in the order of time."""
    found = []
    for leases in history.leases_by_lock().values():
        found += overlaps(leases)
        found += fences(leases)
    for writes in history.writes_by_lock().values():
        found += stale_writes(writes, history.leases)
    for process in history.processes:
        found += endless_waits(process)
        found += failed_waits(process)
    for lease in history.leases.values():
        found += late_losses(lease)
    found += [Violation("leftover", f"{left['key']}: {left['why']}") for left in history.left]
    return found


def overlaps(leases):
    """`leases` of one lock, in the order of their beginnings."""
    holding = []
    for lease in leases:
        holding = [other for other in holding if lease.since < other.over]
        if sum(other.weight for other in holding) + lease.weight > lease.capacity:
            yield Violation("overlap", f"{max(holding, key=lambda other: other.over)} and {lease}")
        holding.append(lease)


def fences(leases):
    """Compares each fence with the greatest that was known before its wait began, and with the
    greatest of those whose leases were over when it was acquired. The latter only of leases that keep
    each other out: others may learn of theirs in any order."""
    yield from _fences(leases, "fence_regressed", lambda a: a.since, lambda b: b.asked, lambda a, b: True)
    yield from _fences(leases, "fence_order", lambda a: a.over, lambda b: b.since,
                       lambda a, b: a.weight + b.weight > b.capacity)


def _fences(leases, kind, known, begins, counts):
    before = sorted(leases, key=known)
    highest, done = {}, 0  # by weight
    for lease in sorted(leases, key=begins):
        while done < len(before) and known(before[done]) < begins(lease):
            other = before[done]
            if other.weight not in highest or other.fence > highest[other.weight].fence:
                highest[other.weight] = other
            done += 1
        for other in highest.values():
            if counts(other, lease) and lease.fence <= other.fence:
                yield Violation(kind, f"{lease} after {other}")


def stale_writes(writes, leases):
    """`writes` to one resource, in its order. What it should have refused is decided by fences, and
    also without them, by who began to wait when the other was known to hold."""
    highest = None
    latest = None  # of the accepted: who asked last
    for write in writes:
        lease = leases.get(write.id)
        later = leases.get(latest.id) if latest else None
        if highest and write.fence < highest.fence:
            kind = "stale_accepted" if write.accepted else "stale_unfenced"
            yield Violation(kind, f"{write} after {highest}")
        elif write.accepted and lease and later and lease.since < later.asked:
            yield Violation("stale_accepted", f"{write} of {lease} after {later}")
        if not highest or write.fence > highest.fence:
            highest = write
        if write.accepted and lease and (not later or lease.asked > later.asked):
            latest = write


def endless_waits(process):
    if process.killed or process.ended:
        return
    for wait in process.waits.values():
        yield Violation("endless_wait", f"{process.name}: {wait}")
    if not process.waits:
        yield Violation("endless_wait", f"{process.name}, last heard of: {process.last}")


def failed_waits(process):
    for failed in process.failed_waits:
        if not failed["why"].startswith("store unreachable:"):
            yield Violation("failed_wait", f"{process.name}: {failed}")


def late_losses(lease):
    """When nothing of the process ran, nobody could be told."""
    if lease.process.is_command or (lease.ended is None and lease.process.killed):
        return
    if lease.ended is None:
        yield Violation("late_loss", f"{lease}: never told")
    elif lease.came_late:
        if not lease.process.stalled(lease.asked, lease.since):
            yield Violation("late_loss", f"{lease}: over when it came")
    elif lease.ended - lease.process.stalled(lease.seen, lease.ended) > lease.until:
        yield Violation("late_loss", f"{lease}: told at {lease.ended}, valid until {lease.until}")
