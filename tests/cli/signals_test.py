"""dlock run and signals: all of the group gets them, and the wait for a lock obeys them."""

import os
import signal
import sys
import time
import unittest

from cli_case import CliCase, eventually, is_alive, state

# A process and its child, each reporting a signal and then doing what CHILD and PARENT say.
FAMILY = """
import os, signal, sys, time
who = "parent" if os.fork() else "child"
def on_signal(number, _):
    os.write(1, f"{who}-{signal.Signals(number).name[3:]}\\n".encode())
    exec(os.environ[who.upper()])
for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
    signal.signal(getattr(signal, f"SIG{name}"), on_signal)
os.write(1, f"{who} {os.getpid()}\\n".encode())
while True:
    time.sleep(0.05)  # pause() would miss a signal that comes just before it
"""


class WhileTheCommandRuns(CliCase):
    def family(self, *options, child="os._exit(0)", parent="os._exit(0)"):
        running = self.start("run", *options, "x", "--", sys.executable, "-c", FAMILY,
                             env={**self.environment, "CHILD": child, "PARENT": parent})
        self.child = int(running.word_after("child"))
        self.parent = int(running.word_after("parent"))
        return running

    def test_signals_reach_the_whole_group(self):
        running = self.family(child="", parent="")
        for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2"):
            running.send(getattr(signal, f"SIG{name}"))
            running.expect(f"child-{name}\n")
            running.expect(f"parent-{name}\n")
        self.assertFalse(running.is_over())
        os.kill(-self.parent, signal.SIGKILL)
        self.assertEqual(running.wait(), 128 + signal.SIGKILL)

    def test_a_signal_that_ends_the_command_shows_in_the_status(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
            running = self.start("run", "x", "--", "sh", "-c", "ulimit -c 0; echo ready; exec sleep 1000")
            running.expect("ready")
            running.send(number)
            self.assertEqual(running.wait(), 128 + number)

    def test_a_command_that_handles_the_signal_decides_the_status(self):
        running = self.family("--kill-after", "1h", parent="os._exit(9)")
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 9)
        self.assert_gone(self.child, self.parent)

    def test_the_lock_is_kept_until_a_grandchild_has_ended_too(self):
        gate = self.directory / "gate"
        os.mkfifo(gate)
        running = self.family(child=f"open('{gate}').read(); os.write(1, b'cleaned'); os._exit(0)",
                              parent="os._exit(3)")
        running.send(signal.SIGTERM)
        self.assert_gone(self.parent)
        self.assertEqual(self.dlock("run", "-n", "x", "--", "true").returncode, 75)
        gate.write_text("go\n")
        self.assertEqual(running.wait(), 3)
        self.assertIn("cleaned", running.stdout)

    def test_a_grandchild_that_ignores_the_signal_is_killed_after_kill_after(self):
        running = self.family("--kill-after", "200ms", child="", parent="os._exit(3)")
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 3)
        self.assertFalse(is_alive(self.child))

    def test_a_stopped_dlock_passes_on_what_came_meanwhile(self):
        running = self.family(parent="os._exit(9)")
        running.send(signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(running.pid) == "T"))
        running.send(signal.SIGTERM)
        running.send(signal.SIGCONT)
        self.assertEqual(running.wait(), 9)

    def test_a_stop_signal_stops_the_command_and_not_dlock(self):
        running = self.family()
        running.send(signal.SIGTSTP)
        self.assertTrue(eventually(lambda: state(self.parent) == "T"))
        self.assertNotEqual(state(running.pid), "T")
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)


class WhileWaiting(CliCase):
    def waiter(self, *options, **process):
        waiter = self.start("run", *options, "x", "--", "echo", "ran", **process)
        self.wait_for_waiters("x", 1)
        return waiter

    def test_an_ending_signal_ends_the_wait_and_leaves_nothing(self):
        holder = self.hold("x")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            for options in ((), ("-w", "100s")):
                waiter = self.waiter(*options)
                waiter.send(number)
                self.assertEqual((waiter.wait(), waiter.stdout, waiter.stderr), (128 + number, "", ""))
                self.wait_for_waiters("x", 0)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_the_next_waiter_goes_on_when_one_is_interrupted(self):
        holder = self.hold("x")
        first = self.waiter()
        second = self.start("run", "x", "--", "echo", "second")
        self.wait_for_waiters("x", 2)
        first.send(signal.SIGTERM)
        self.assertEqual(first.wait(), 128 + signal.SIGTERM)
        holder.close_stdin()
        self.assertEqual((holder.wait(), second.wait(), second.stdout), (0, 0, "second\n"))

    def test_signals_for_the_command_do_not_end_the_wait(self):
        holder = self.hold("x")
        waiter = self.waiter()
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT):
            waiter.send(number)
        holder.close_stdin()
        self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "ran\n"))

    def test_a_command_is_never_started_when_the_signal_came_with_the_lock(self):
        for _ in range(5):
            holder = self.hold("x")
            waiter = self.waiter()
            waiter.send(signal.SIGSTOP)
            self.assertTrue(eventually(lambda: state(waiter.pid) == "T"))
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)  # the grant is under way to the waiter now
            waiter.send(signal.SIGTERM)
            waiter.send(signal.SIGCONT)
            self.assertEqual((waiter.wait(), waiter.stdout), (128 + signal.SIGTERM, ""))
            self.assertTrue(eventually(lambda: self.keys() == []))

    def test_the_terminals_stop_key_stops_a_waiting_dlock(self):
        holder = self.hold("x")
        # The stop key means nothing to an orphaned process group, and ours may be one.
        waiter = self.waiter(process_group=0)
        waiter.send(signal.SIGTSTP)
        self.assertTrue(eventually(lambda: state(waiter.pid) == "T"))
        waiter.send(signal.SIGCONT)
        self.assertTrue(eventually(lambda: state(waiter.pid) != "T"))
        holder.close_stdin()
        self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "ran\n"))

    def test_a_signal_ends_a_wait_whose_server_does_not_answer(self):
        holder = self.hold("x")
        waiter = self.waiter()
        self.server.stop()
        try:
            begin = time.monotonic()
            waiter.send(signal.SIGTERM)
            self.assertEqual(waiter.wait(), 128 + signal.SIGTERM)
            self.assertLess(time.monotonic() - begin, 10)
        finally:
            self.server.cont()
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.leaves_keys = True


if __name__ == "__main__":
    unittest.main()
