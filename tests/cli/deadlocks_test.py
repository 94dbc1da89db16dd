"""Nested dlock runs in opposite orders: one gives up, and dlock deadlocks shows the ring."""

import json
import unittest

from cli_case import DLOCK, PATIENCE, CliCase
from eventually import eventually


class Deadlocks(CliCase):
    def go(self, *names):
        """Runs that hold one name each and, when all do, want the next one's."""
        runs = []
        for i, name in enumerate(names):
            inner = names[(i + 1) % len(names)]
            runs.append(self.start(
                "run", "--label", f"outer {name}", name, "-c",
                f"echo in; read line; exec '{DLOCK}' run {inner} -- echo both"))
        for run in runs:
            run.expect("in\n")
        for run in runs:
            run.process.stdin.write(b"go\n")
            run.close_stdin()
        return runs

    def rings(self):
        result = self.dlock("deadlocks", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return json.loads(result.stdout)

    def test_of_two_runs_in_opposite_orders_one_gives_up(self):
        runs = self.go("a", "b")
        self.assertTrue(eventually(self.rings, PATIENCE))
        shown = self.dlock("deadlocks").stdout.decode()
        self.assertRegex(shown, r"'a' is held by .* \(outer a\), which waits for 'b'\n")
        codes = sorted(run.wait() for run in runs)
        self.assertEqual(codes, [0, 75])
        told = [run.stderr for run in runs if "deadlock" in run.stderr]
        self.assertEqual(len(told), 1)
        for held, wanted in (("a", "b"), ("b", "a")):
            self.assertRegex(told[0], f'"{held}" is held by [^;]*, which waits for "{wanted}"')
        self.assertEqual(self.rings(), [])

    def test_of_three_one_gives_up(self):
        codes = sorted(run.wait() for run in self.go("a", "b", "c"))
        self.assertEqual(codes, [0, 0, 75])

    def test_without_a_ring_it_says_so(self):
        result = self.dlock("deadlocks")
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertRegex(self.assert_one_message(result.stderr), "nobody waits in a ring")


if __name__ == "__main__":
    unittest.main()
