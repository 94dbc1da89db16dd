"""What the samples of a run say: times, hand-offs between workers, fairness, broken exclusion."""

import array
import collections

FIELDS = 5
Sample = collections.namedtuple("Sample", "worker asked acquired releasing released")


def read(drivers):
    """All samples of the drivers; workers of different processes differ."""
    samples = []
    for number, driver in enumerate(drivers):
        values = array.array("q", driver.file.read_bytes())
        for i in range(0, len(values), FIELDS):
            samples.append(Sample((number, values[i]), *values[i + 1:i + FIELDS]))
    return samples


def percentile(values, percent):
    """The smallest value that is not below so many percent of all; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


class Contention:
    """One lock, many workers, in a window of time."""

    def __init__(self, samples, begin, end, workers):
        ordered = sorted(samples, key=lambda sample: sample.acquired)
        # The tail, where workers have finished already, is no contention.
        inside = [sample for sample in ordered if begin <= sample.acquired < end]
        seconds = (end - begin) / 1e9
        self.total = len(ordered)
        self.violations = sum(b.acquired < a.releasing for a, b in zip(ordered, ordered[1:]))
        self.acquisitions_per_s = len(inside) / seconds
        changes = [(a, b) for a, b in zip(inside, inside[1:]) if a.worker != b.worker]
        self.handoffs_per_s = len(changes) / seconds
        self.gaps_us = [(b.acquired - a.releasing) / 1e3 for a, b in changes]
        self.waits_us = [(sample.acquired - sample.asked) / 1e3 for sample in inside]
        counts = collections.Counter(sample.worker for sample in inside)
        per_process = collections.Counter(sample.worker[0] for sample in inside)
        self.fairness = min(counts.values()) / max(counts.values()) if len(counts) == workers else 0
        self.process_fairness = (min(per_process.values()) / max(per_process.values())
                                 if per_process else 0)
