"""dlock latch and dlock barrier: programs that wait for each other."""

import json
import signal
import unittest

from cli_case import CliCase, eventually


class Gates(CliCase):
    def setUp(self):
        super().setUp()
        self.leaves_keys = True  # a latch and a barrier are known for a while

    def wait_at(self, gate, *options, waiters=1):
        """Starts one that waits, and waits until `waiters` do."""
        waiter = self.start(gate, *options, "ready")
        queue = f"dlock1:qw:{{dlock1:{gate}:ready}}"
        self.assertTrue(eventually(lambda: self.server.command("ZCARD", queue) == waiters, 30))
        return waiter

    def test_a_latch_opens_when_all_have_counted(self):
        waiters = [self.wait_at("latch", "--count", "3", waiters=number) for number in (1, 2)]
        down = ("latch", "--count", "3", "--down")
        self.assertEqual(self.dlock(*down, "ready").returncode, 0)
        self.assertEqual(self.dlock("latch", "--count", "3", "-w", "50ms", "ready").returncode, 75)
        self.assertEqual(self.dlock(*down, "--by", "2", "ready").returncode, 0)
        for waiter in waiters:
            self.assertEqual(waiter.wait(), 0)
        self.assertEqual(self.dlock("latch", "--count", "3", "ready").returncode, 0)

    def test_what_did_not_open_in_time_is_told(self):
        result = self.dlock("latch", "--count", "1", "-w", "50ms", "ready")
        self.assertEqual(result.returncode, 75)
        self.assertIn("'ready' did not open within 50 ms", self.assert_one_message(result.stderr))

    def test_a_latch_of_another_count_is_refused(self):
        self.dlock("latch", "--count", "3", "--down", "ready")
        result = self.dlock("latch", "--count", "2", "ready")
        self.assertEqual(result.returncode, 64)
        self.assertIn("made with a count of 3", self.assert_one_message(result.stderr))

    def test_a_barrier_lets_all_through_again_and_again(self):
        for _ in range(2):
            first = self.wait_at("barrier", "--parties", "2")
            self.assertEqual(self.dlock("barrier", "--parties", "2", "ready").returncode, 0)
            self.assertEqual(first.wait(), 0)

    def test_a_waiter_that_gives_up_breaks_a_barrier_until_it_is_reset(self):
        first = self.wait_at("barrier", "--parties", "3")
        second = self.wait_at("barrier", "--parties", "3", "-w", "1s", waiters=2)
        self.assertEqual(second.wait(), 75)
        self.assertEqual(first.wait(), 73)
        self.assertIn("is broken", first.stderr)
        self.assertEqual(self.dlock("barrier", "--parties", "3", "ready").returncode, 73)
        self.assertEqual(self.dlock("barrier", "--parties", "3", "--reset", "ready").returncode, 0)
        self.assertEqual(self.dlock("barrier", "--parties", "3", "-w", "50ms", "ready").returncode, 75)

    def show(self, gate, *options):
        return self.dlock(gate, "--show", *options, "ready")

    def test_a_latch_is_shown(self):
        self.assert_not_there("latch")
        self.dlock("latch", "--count", "3", "--down", "ready")
        waiter = self.wait_at("latch", "--count", "3")
        self.assertTrue(eventually(lambda: json.loads(self.show("latch", "--json").stdout)
                                   ["waiters"][0]["pid"] == waiter.pid))
        shown = json.loads(self.show("latch", "--json").stdout)
        self.assertGreaterEqual(shown["waiters"].pop(0)["waiting_ms"], 0)
        self.assertEqual(shown, {"name": "ready", "count": 3, "left": 2, "broken": False,
                                 "joined": [], "waiters": []})
        self.assertRegex(self.show("latch").stdout.decode(),
                         r"\Aready: 2 of 3 left\n  joined    0\n  waiting   1\n"
                         rf"         1  \S+:{waiter.pid} dlock  [\d.]+ m?s\n\Z")
        self.dlock("latch", "--count", "3", "--down", "--by", "2", "ready")
        self.assertEqual(waiter.wait(), 0)

    def test_a_barrier_is_shown(self):
        self.assert_not_there("barrier")
        waiter = self.wait_at("barrier", "--parties", "3")
        shown = json.loads(self.show("barrier", "--json").stdout)
        self.assertGreater(shown.pop("phase"), 0)
        self.assertGreaterEqual(shown["arrived"].pop(0)["silent_ms"], 0)
        self.assertEqual(shown, {"name": "ready", "parties": 3, "broken": False, "joined": [],
                                 "arrived": []})
        waiter.send(signal.SIGTERM)
        waiter.wait()
        self.assertRegex(self.show("barrier").stdout.decode(),
                         r"\Aready: broken, 0 of 3 arrived\n  phase     \d+\n  joined    0\n"
                         r"  arrived   0\n\Z")

    def assert_not_there(self, gate):
        result = self.show(gate)
        self.assertEqual((result.returncode, result.stdout), (75, b""))
        self.assertIn(f"no {gate} 'ready'", self.assert_one_message(result.stderr))

    def test_a_signal_ends_the_wait_and_leaves_no_place_in_the_queue(self):
        for gate, number in (("latch", "--count"), ("barrier", "--parties")):
            waiter = self.wait_at(gate, number, "2")
            waiter.send(signal.SIGTERM)
            self.assertEqual(waiter.wait(), 143)
            self.assertEqual(self.server.command("EXISTS", f"dlock1:qw:{{dlock1:{gate}:ready}}"), 0)


if __name__ == "__main__":
    unittest.main()
