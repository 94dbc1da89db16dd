"""Results: values collected round by round, and the rows of results.json."""

import json
import statistics

from neighbours import Neighbours
from placement import SHARED

FIELDS = ("server", "case", "subject", "workers", "metric", "unit", "median", "min", "max", "rounds")

# The end of a metric's name gives its unit.
UNITS = {"_us": "us", "_ms": "ms", "_s": "s", "_per_s": "1/s", "_bytes": "bytes",
         "_percent": "%", "_ttls": "ttl", "_claims": "claim"}


def unit_of(metric):
    if "_us_per_" in metric:
        return "us"
    if "_bytes_per_" in metric:
        return "bytes"
    if metric.endswith("_per_s"):
        return "1/s"
    return next((unit for end, unit in UNITS.items() if metric.endswith(end)), "1")


class Results:
    def __init__(self):
        self._values = {}  # (server, case, subject, workers, metric) -> values of the rounds
        self.server = "redis"  # on which the rounds are run from now on
        self.missing = {}  # subject -> why
        self.notes = []
        self.cores = {}  # placement -> whose threads -> the cores on which they ran
        self.neighbours = Neighbours()
        self.strayed = 0  # runs in which a thread ran elsewhere, so that they were repeated
        self.parted = 0  # ... in which the two cores moved apart
        self.far = 0  # runs that count though the cores were not near

    def add(self, case, subject, workers, **metrics):
        """The values of one round."""
        for metric, value in metrics.items():
            self._values.setdefault((self.server, case, subject, workers, metric), []).append(value)

    def note(self, text):
        """Something that a reader of the figures should know: errors, broken exclusion."""
        text = f"{self.server}: {text}"
        if text not in self.notes:
            self.notes.append(text)

    def saw(self, where, cores):
        """Whose threads ran on which cores in a round of this placement."""
        for whose, numbers in cores.items():
            self.cores.setdefault(where, {}).setdefault(whose, set()).update(numbers)

    def placement(self):
        """On which cores threads ran, and how often a round was repeated for that, in words."""
        def cores(numbers):
            return f"core{'s' if len(numbers) > 1 else ''} {', '.join(map(str, sorted(numbers)))}"
        seen = [f"the server's threads on {cores(by['server'])}, the workers' on "
                f"{cores(by['workers'])}" + (" (one core)" if where == SHARED else "")
                for where, by in self.cores.items()]
        return (f"{'; '.join(seen)}; runs with a thread elsewhere, which were repeated: {self.strayed}; "
                f"runs whose cores moved apart, which were repeated: {self.parted}; "
                f"runs with cores that were not near: {self.far}")

    def rows(self):
        return [dict(zip(FIELDS, (*key, unit_of(key[-1]), statistics.median(values), min(values),
                                  max(values), len(values))))
                for key, values in self._values.items()]

    def write(self, path):
        rows = ",\n".join(json.dumps(row) for row in self.rows())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[\n{rows}\n]\n")
