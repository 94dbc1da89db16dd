"""dlock run --at-least: once in a period, whoever's scheduler comes first."""

import unittest

from cli_case import CliCase


class Once(CliCase):
    def ttl_ms(self, name):
        return self.server.command("PTTL", name)

    def run_once(self, *options):
        return self.dlock("run", "--at-least", "5m", *options, "job", "--", "echo", "ran")

    def test_it_runs_once_in_a_period(self):
        self.leaves_keys = True
        first = self.run_once()
        self.assertEqual((first.returncode, first.stdout, first.stderr), (0, b"ran\n", b""))
        self.assertTrue(290_000 < self.ttl_ms("job") <= 300_000)
        self.assertIn(b"ended (client ", self.dlock("ls").stdout)
        self.assertIn(b"--at-least", self.dlock("info", "job").stdout)
        second = self.run_once()
        self.assertEqual((second.returncode, second.stdout), (0, b""))
        self.assertIn("'job' runs elsewhere, or ran less than 5 min 0 s ago",
                      self.assert_one_message(second.stderr))

    def test_the_exit_status_when_it_does_not_run_can_be_chosen(self):
        self.leaves_keys = True
        self.run_once()
        for code in ("3", "75"):
            self.assertEqual(self.run_once("-E", code).returncode, int(code))

    def test_a_failure_counts_as_run_and_keeps_its_status(self):
        self.leaves_keys = True
        failed = self.dlock("run", "--at-least", "5m", "job", "--", "false")
        self.assertEqual(failed.returncode, 1)
        self.assertEqual(self.run_once().stdout, b"")

    def test_a_job_longer_than_at_least_frees_the_lock_at_its_end(self):
        holder = self.hold("job", "--at-least", "1ms")
        self.assertGreater(self.ttl_ms("job"), 3_500_000)
        self.assertEqual(self.run_once().stdout, b"")
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.assertEqual(self.keys(), [])

    def test_a_job_longer_than_at_most_is_ended(self):
        late = self.dlock("run", "--at-least", "10ms", "--at-most", "400ms", "job", "--", "sleep", "60")
        self.assertEqual(late.returncode, 73)
        self.assertIn("is up (--at-most 400 ms)", self.assert_one_message(late.stderr))

    def test_what_makes_no_sense_is_refused(self):
        for options, says in [(["--at-least", "2h"], "--at-least 2.* is longer than --at-most 1"),
                              (["--at-least", "0"], "zero"),
                              (["--at-most", "5m"], "--at-most requires --at-least"),
                              (["--at-least", "5m", "--ttl", "1h"], "excludes"),
                              (["--at-least", "5m", "--wait", "1"], "excludes"),
                              (["--at-least", "5m", "-n"], "excludes"),
                              (["--at-least", "5m", "--no-renew"], "excludes"),
                              (["--at-least", "5m", "-s"], "excludes"),
                              (["--at-least", "5m", "-x"], "excludes"),
                              (["--at-least", "5m", "--permits", "2"], "excludes")]:
            with self.subTest(options):
                result = self.dlock("run", *options, "job", "--", "true")
                self.assertEqual(result.returncode, 64)
                self.assertRegex(self.assert_one_message(result.stderr), says)


if __name__ == "__main__":
    unittest.main()
