"""dlock run when the lock is lost while the command runs: TERM, then KILL, and 73."""

import json
import os
import signal
import time
import unittest

from cli_case import CliCase, eventually, guard_of, is_alive, state

# Reports TERM and then does as told; a grandchild that ignores TERM can be added.
COMMAND = """
trap 'echo TERM; {on_term}' TERM
{before}
echo pid $$
echo ready
while :; do sleep 0.02; done
"""
STUBBORN = "( trap '' TERM; exec sleep 1000 ) & echo child $!"


class Loss(CliCase):
    def run_until_ready(self, *options, ttl="900ms", on_term="exit 0", before=""):
        running = self.start("run", "--ttl", ttl, *options, "x", "--", "sh", "-c",
                             COMMAND.format(on_term=on_term, before=before))
        running.expect("ready")
        return running

    def assert_lost(self, running):
        self.assertEqual(running.wait(), 73, running.stderr)
        self.assertIn("dlock: lost the lock 'x' while the command ran", running.stderr)

    def test_a_deleted_key_ends_the_command_with_term(self):
        running = self.run_until_ready()
        self.server.command("DEL", "x")
        self.assert_lost(running)
        self.assertIn("TERM", running.stdout)

    def test_a_killed_server_ends_the_command_before_the_lock_can_end(self):
        running = self.run_until_ready(ttl="2s")
        self.server.kill9()
        begin = time.monotonic()
        self.assert_gone(int(running.word_after("pid")))
        self.assertLess(time.monotonic() - begin, 2.0)
        self.assert_lost(running)
        self.assertIn("TERM", running.stdout)
        self.server.restart()

    def test_a_server_that_hangs_ends_the_command_before_the_lock_can_end(self):
        running = self.run_until_ready(ttl="2s", on_term=":")
        self.server.stop()
        try:
            begin = time.monotonic()
            pid = int(running.word_after("pid"))
            self.assert_gone(pid)
            self.assertLess(time.monotonic() - begin, 2.1)
        finally:
            self.server.cont()
        self.assert_lost(running)

    def test_a_server_back_in_time_with_its_data_costs_nothing(self):
        with type(self.server)(persistent=True) as server:
            running = self.start("run", "--url", server.url, "--ttl", "6s", "x", "--", "sh", "-c",
                                 "echo ready; read _; echo done")
            running.expect("ready")
            server.kill9()
            server.restart()
            # A renewal shows as an expiry close to the full ttl again.
            self.assertTrue(eventually(lambda: server.command("PTTL", "x") > 5500))
            running.close_stdin()
            self.assertEqual((running.wait(), running.stderr), (0, ""))

    def test_what_ignores_term_is_killed_after_kill_after(self):
        running = self.run_until_ready("--kill-after", "100ms", ttl="9s", on_term=":", before=STUBBORN)
        self.dlock("break", "--current", "x")  # of which it hears at once
        self.assert_lost(running)
        self.assertIn("TERM", running.stdout)
        self.assertFalse(is_alive(int(running.word_after("child"))))

    def test_what_ignores_term_is_killed_by_the_end_of_validity(self):
        running = self.run_until_ready("--kill-after", "1h", ttl="900ms", on_term=":", before=STUBBORN)
        os.kill(guard_of(running.pid), signal.SIGSTOP)  # it would do it too
        self.server.command("DEL", "x")
        self.assert_lost(running)
        self.assert_gone(int(running.word_after("child")))

    def test_a_grandchild_that_cleans_up_after_the_command_has_time_for_it(self):
        child = "( trap 'sleep 0.3; echo cleaned; exit' TERM; while :; do sleep 0.02; done ) &"
        running = self.run_until_ready(ttl="9s", before=child)
        self.dlock("break", "--current", "x")  # of which it hears at once
        self.assert_lost(running)
        self.assertIn("cleaned", running.stdout)

    def test_a_stopped_command_is_continued_so_that_it_can_end(self):
        running = self.run_until_ready(ttl="9s")
        pid = int(running.word_after("pid"))
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(pid) == "T"))
        self.dlock("break", "--current", "x")  # of which it hears at once
        self.assert_lost(running)
        self.assertIn("TERM", running.stdout)

    def test_a_loss_that_shows_at_the_release_is_73_too(self):
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; read _; exit 0")
        running.expect("ready")
        self.server.command("DEL", "x")
        running.close_stdin()
        self.assertEqual(running.wait(), 73)
        self.assertRegex(running.stderr, r"\Adlock: lost the lock 'x'[^\n]*\n\Z")

    def test_a_server_that_cannot_be_told_of_the_release_does_not_hide_the_status(self):
        running = self.start("run", "--ttl", "1h", "x", "--", "sh", "-c", "echo ready; read _; exit 7")
        running.expect("ready")
        self.server.kill9()
        running.close_stdin()
        self.assertEqual(running.wait(), 7)
        self.assertRegex(running.stderr, r"\Adlock: could not release 'x'[^\n]*\n\Z")
        self.server.restart()

    def test_break_is_told_as_such_also_where_the_time_was_limited(self):
        for options in (["--no-renew"], ["--at-least", "1ms", "--at-most", "60s"]):
            running = self.run_until_ready(*options, ttl="60s") if "--no-renew" in options else \
                self.start("run", *options, "x", "--", "sh", "-c", COMMAND.format(on_term="exit 0", before=""))
            running.expect("ready")
            fence = json.loads(self.dlock("info", "--json", "x").stdout)["fence"]
            self.dlock("break", "x", "--fence", str(fence))
            self.assert_lost(running)
            self.assertIn("taken away with `dlock break`", running.stderr)

    def test_a_signal_and_a_loss_at_once_are_a_loss(self):
        running = self.run_until_ready("--kill-after", "300ms", ttl="900ms", on_term=":")
        running.send(signal.SIGTERM)
        running.expect("TERM")
        self.server.command("DEL", "x")
        self.assert_lost(running)


if __name__ == "__main__":
    unittest.main()
