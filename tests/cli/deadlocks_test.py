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

    def test_one_of_two_runs_in_opposite_orders_gives_up(self):
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

    def test_a_job_in_the_background_is_kept_from_nothing_by_the_run_that_started_it(self):
        # Nobody waits for the job, so that a is free when the file is there: no ring.
        gate = self.directory / "gate"
        script = f"'{DLOCK}' run b -- echo background has b & until [ -e {gate} ]; do sleep 0.1; done"
        other = self.start("run", "b", "-c", f"echo in; read line; exec '{DLOCK}' run a -- echo other has a")
        other.expect("in\n")
        first = self.start("run", "a", "-c", script)
        self.wait_for_waiters("b", 1)
        other.process.stdin.write(b"go\n")
        other.close_stdin()
        self.wait_for_waiters("a", 1)
        looks = "dlock1:waits:*"
        for _ in range(3):  # as often as a ring would need to be seen, and once more
            seen = self.server.command(f"KEYS {looks}")
            self.assertFalse(eventually(lambda: other.is_over() or first.is_over(), 2.5), (seen, other.stderr, first.stderr))
        gate.touch()
        self.assertEqual((other.wait(), first.wait()), (0, 0))
        first.expect("background has b")

    def test_a_wait_for_the_lock_of_the_run_around_it_is_refused(self):
        result = self.dlock("run", "a", "--", "sh", "-c", f"'{DLOCK}' run a -- true; echo $?")
        self.assertEqual(result.stdout, b"75\n")

    def test_without_a_ring_it_says_so(self):
        result = self.dlock("deadlocks")
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertRegex(self.assert_one_message(result.stderr), "no holders wait for each other")


if __name__ == "__main__":
    unittest.main()
