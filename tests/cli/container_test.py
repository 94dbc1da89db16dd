"""dlock as the first process of a container: in a PID namespace, with a /proc of its own."""

import os
import signal
import subprocess
import unittest

from cli_case import DLOCK, PATIENCE, CliCase, children, eventually

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PRINTS_AND_WAITS = "echo ready; while :; do sleep 0.05; done"


def can_have_containers():
    try:
        return subprocess.run([*CONTAINER, "true"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


@unittest.skipUnless(can_have_containers(), "this user may not make PID namespaces")
class FirstProcess(CliCase):
    def start_first(self, *arguments):
        """Starts `dlock ARGUMENTS...` in a container."""
        self.container = self.start_program(*CONTAINER, DLOCK, *arguments)
        return self.container

    @property
    def first(self):
        """Its pid outside."""
        (pid,) = eventually(lambda: children(self.container.pid))
        return pid

    def execute(self, script):
        """Runs `script` in that container, as `docker exec` does: not as a child of dlock."""
        inside = ["nsenter", "--target", str(self.first), "--pid", "--mount", "sh", "-c", script]
        subprocess.run(inside, check=True, timeout=PATIENCE)

    def assert_children(self, count):
        """Waits until dlock has so many children, ended ones included."""
        first = self.first
        self.assertTrue(eventually(lambda: len(children(first)) == count, PATIENCE),
                        f"children of dlock: {children(first)}")

    def test_it_collects_orphans_of_the_command(self):
        orphans = "for i in 1 2 3; do (sh -c 'echo orphan' &); done; echo ready; cat"
        running = self.start_first("run", "x", "--", "sh", "-c", orphans)
        running.expect("orphan", 3)
        running.expect("ready")
        self.assert_children(2)  # the command and the guard
        running.close_stdin()
        self.assertEqual(running.wait(), 0)

    def test_it_collects_orphans_while_it_waits(self):
        holder = self.hold("x")
        running = self.start_first("run", "x", "--", "true")
        self.wait_for_waiters("x", 1)
        self.execute("(true &); (true &)")
        self.assert_children(1)  # the guard
        holder.close_stdin()
        self.assertEqual(running.wait(), 0)

    def test_it_collects_orphans_while_it_serves(self):
        running = self.start_first("serve", "--listen", "127.0.0.1:0")
        running.expect("serving ")
        self.execute("(true &); (true &)")
        self.assert_children(0)
        os.kill(self.first, signal.SIGTERM)
        self.assertEqual(running.wait(), 0)

    def test_it_passes_signals_on_and_ends_with_the_status_of_the_command(self):
        for handler, status in (("trap 'exit 7' TERM", 7), ("true", 128 + signal.SIGTERM)):
            running = self.start_first("run", "x", "--", "sh", "-c", f"{handler}; {PRINTS_AND_WAITS}")
            running.expect("ready")
            os.kill(self.first, signal.SIGTERM)
            self.assertEqual(running.wait(), status)
        self.assertEqual(self.start_first("run", "x", "--", "sh", "-c", "exit 3").wait(), 3)

    def test_a_signal_ends_its_wait(self):
        holder = self.hold("x")
        running = self.start_first("run", "x", "--", "true")
        self.wait_for_waiters("x", 1)
        os.kill(self.first, signal.SIGTERM)
        self.assertEqual(running.wait(), 128 + signal.SIGTERM)
        self.wait_for_waiters("x", 0)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_what_the_command_leaves_behind_ends_before_the_lock_is_released(self):
        asks = f"env -u DLOCK_HELD {DLOCK} run --nonblock x -- true; echo status $?; exit"
        left = self.directory / "left"
        left.write_text(f"trap '{asks}' TERM; {PRINTS_AND_WAITS}")
        running = self.start_first("run", "x", "--", "sh", "-c", f"sh {left} & cat; exit 5")
        running.expect("ready")
        running.close_stdin()
        self.assertEqual(running.wait(), 5)
        self.assertIn("status 75", running.stdout)  # somebody holds it


if __name__ == "__main__":
    unittest.main()
