"""The tables of docs/guarantees.md say what expectations.py has the fault tests expect."""

import os
import pathlib
import unittest

import expectations
import faults
import scenarios

NAMES = {"netns": "TCP", "tcp": "TCP", "resp2": "RESP2", "endpoint": "endpoint", "unix": "unix", "tls": "TLS", "local": "`local:`", "sentinel": "Sentinel",
         "cluster": "Cluster", "quorum3": "Quorum", "quorum5": "Quorum"}


def tested_with(name, lists):
    names = [NAMES[topology] for topology in lists if name in lists[topology]]
    return ", ".join(dict.fromkeys(names))


def fault_rows():
    for name, kinds in expectations.MAY_FIND.items():
        where = tested_with(name, expectations.FAULTS)
        if where:
            says = "two holders for a while" if "overlap" in kinds else "nothing"
            yield f"| {getattr(faults, name).__doc__} | {where} | {says} |"


def scenario_rows():
    for name, kinds in expectations.MUST_FIND.items():
        where = tested_with(name, expectations.SCENARIOS)
        two = "yes" if "overlap" in kinds else "no"
        late = "refused by its fence" if "stale_unfenced" in kinds else "none comes"
        yield f"| {getattr(scenarios, name).__doc__} | {where} | {two} | {late} |"


class Tables(unittest.TestCase):
    def test_they_are_in_the_document(self):
        text = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"], "docs/guarantees.md").read_text()
        for rows in (list(fault_rows()), list(scenario_rows())):
            self.assertIn("\n".join(["", *rows, ""]), text, "the rows should be:\n" + "\n".join(rows))

    def test_a_stale_write_is_expected_to_be_accepted_nowhere(self):
        for kinds in [*expectations.MAY_FIND.values(), *expectations.MUST_FIND.values()]:
            self.assertFalse(kinds & {"stale_accepted", "fence_regressed", "endless_wait", "failed_wait",
                                      "late_loss", "leftover"})


if __name__ == "__main__":
    unittest.main()
