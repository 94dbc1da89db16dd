"""Results: values collected round by round, and the rows of results.json."""

import json
import statistics

FIELDS = ("case", "subject", "workers", "metric", "unit", "median", "min", "max", "rounds")

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
        self._values = {}  # (case, subject, workers, metric) -> values of the rounds
        self.missing = {}  # subject -> why
        self.notes = []

    def add(self, case, subject, workers, **metrics):
        """The values of one round."""
        for metric, value in metrics.items():
            self._values.setdefault((case, subject, workers, metric), []).append(value)

    def note(self, text):
        """Something that a reader of the figures should know: errors, broken exclusion."""
        if text not in self.notes:
            self.notes.append(text)

    def rows(self):
        return [dict(zip(FIELDS, (case, subject, workers, metric, unit_of(metric),
                                  statistics.median(values), min(values), max(values),
                                  len(values))))
                for (case, subject, workers, metric), values in self._values.items()]

    def write(self, path):
        rows = ",\n".join(json.dumps(row) for row in self.rows())
        path.write_text(f"[\n{rows}\n]\n")
