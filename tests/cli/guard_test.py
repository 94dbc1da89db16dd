"""The guard of dlock run: the command does not live on when dlock cannot look after it."""

import ctypes
import os
import signal
import subprocess
import unittest

from cli_case import (CliCase, DLOCK, PATIENCE, eventually, guard_of, is_alive, process_fields,
                      state)

# A command with a grandchild, both deaf to everything but KILL.
FAMILY = """
trap '' TERM INT HUP QUIT
( trap '' TERM INT HUP QUIT; exec sleep 1000 ) & echo child $!
echo parent $$
while :; do sleep 0.02; done
"""


def start_with_pid(pid):
    """A process that is leader of its group and has this very number; skips the test where the kernel
    does not let us choose it."""
    wanted = ctypes.c_int(pid)
    # struct clone_args: the exit signal, and where the number stands and how many there are.
    arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(435, ctypes.byref(arguments), ctypes.sizeof(arguments))  # clone3
    if result == 0:
        os.setpgid(0, 0)
        os.execvp("sleep", ["sleep", "1000"])
    if result < 0:
        raise unittest.SkipTest(f"cannot choose a process number: {os.strerror(ctypes.get_errno())}")
    eventually(lambda: process_fields(pid)[2] == str(pid))
    return result


class Guard(CliCase):
    def family(self, *options):
        running = self.start("run", *options, "x", "--", "sh", "-c", FAMILY)
        self.child = int(running.word_after("child"))
        self.parent = int(running.word_after("parent"))
        self.guard = guard_of(running.pid)
        self.addCleanup(self.wake, self.guard)
        return running

    def wake(self, pid):
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def test_kill_9_of_dlock_kills_the_command_and_its_children(self):
        running = self.family()
        running.send(signal.SIGKILL)
        self.assert_gone(self.parent, self.child)
        self.assert_gone(self.guard)
        running.wait()
        self.leaves_keys = True

    def test_kill_9_of_dlock_and_its_whole_job_kills_the_command(self):
        running = self.start("run", "x", "--", "sh", "-c", FAMILY, start_new_session=True)
        pids = [int(running.word_after("child")), int(running.word_after("parent"))]
        os.killpg(running.pid, signal.SIGKILL)
        self.assert_gone(*pids)
        running.wait()
        self.leaves_keys = True

    def test_kill_9_of_dlock_and_guard_still_kills_the_command_itself(self):
        running = self.family()
        os.kill(self.guard, signal.SIGKILL)
        running.send(signal.SIGKILL)
        self.assert_gone(self.parent)
        os.kill(self.child, signal.SIGKILL)
        running.wait()
        self.leaves_keys = True

    def test_the_command_is_dead_before_the_next_holder_can_start(self):
        running = self.family("--ttl", "500ms")
        waiter = self.start("run", "x", "--", "sh", "-c", f"grep -sq 'State:.[^Z]' /proc/{self.parent}/status || echo dead")
        self.wait_for_waiters("x", 1)
        running.send(signal.SIGSTOP)
        self.assertEqual((waiter.wait(), waiter.stdout), (0, "dead\n"))
        running.send(signal.SIGCONT)
        self.assertEqual(running.wait(), 73)

    def test_stopping_dlock_for_less_than_the_ttl_costs_nothing(self):
        running = self.start("run", "--ttl", "20s", "x", "--", "sh", "-c", "echo ready; cat")
        running.expect("ready")
        running.send(signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(running.pid) == "T"))
        running.send(signal.SIGCONT)
        running.close_stdin()
        self.assertEqual((running.wait(), running.stderr), (0, ""))

    def test_renewals_keep_the_guard_quiet(self):
        count = "i=0; while [ $i -lt 150 ]; do sleep 0.02; i=$((i+1)); done; echo done"
        result = self.dlock("run", "--ttl", "2s", "x", "--", "sh", "-c", count)
        self.assertEqual((result.returncode, result.stdout), (0, b"done\n"), result)

    def test_a_dlock_that_hangs_on_its_own_messages_loses_its_command(self):
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        script = "trap '' TERM; echo $$; while :; do sleep 0.02; done"
        process = subprocess.Popen([DLOCK, "run", "--ttl", "600ms", "x", "--", "sh", "-c", script],
                                   env=self.environment, stdout=subprocess.PIPE, stderr=write)
        os.close(write)
        command = int(process.stdout.readline())
        self.server.command("DEL x")  # it has to say that
        self.assert_gone(command)
        with open(read, "rb") as reader:
            messages = reader.read().lstrip(b"x").decode()
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 73)
        self.assertIn("lost the lock 'x'", messages)

    def test_a_lock_that_may_run_out_before_the_start_is_73_if_it_does(self):
        for _ in range(20):
            result = self.dlock("run", "--no-renew", "--ttl", "10ms", "x", "--", "sleep", "1000")
            if b"use a longer ttl" in result.stderr:
                self.assertEqual(result.returncode, 69)  # it never had it, on a machine this busy
            else:
                self.assertEqual(result.returncode, 73)
            self.assertRegex(result.stderr.decode(), r"\A(dlock: [^\n]+\n)+\Z")

    def test_the_guard_is_in_a_session_of_its_own_and_holds_nothing_open(self):
        running = self.family()
        def is_apart():  # soon after its start
            files = [os.readlink(f.path) for f in os.scandir(f"/proc/{self.guard}/fd")]
            kinds = sorted(f.split(":")[0] for f in files if "pidfd" not in f)
            return os.getsid(self.guard) == self.guard and kinds == ["anon_inode", "pipe"]
        self.assertTrue(eventually(is_apart))
        self.assertEqual(os.readlink(f"/proc/{self.guard}/cwd"), "/")
        os.killpg(self.parent, signal.SIGKILL)
        self.assertEqual(running.wait(), 128 + signal.SIGKILL)

    def test_the_guard_is_gone_when_dlock_is(self):
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; cat")
        running.expect("ready")
        guard = guard_of(running.pid)
        self.assertTrue(is_alive(guard))
        running.close_stdin()
        self.assertEqual(running.wait(), 0)
        self.assertIsNone(state(guard))

    def test_the_guard_of_a_killed_waiter_goes_away(self):
        holder = self.hold("x")
        waiter = self.start("run", "x", "--", "true")
        self.wait_for_waiters("x", 1)
        guard = guard_of(waiter.pid)
        self.assertTrue(is_alive(guard))
        waiter.send(signal.SIGKILL)
        self.assert_gone(guard)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.leaves_keys = True

    def test_a_stopped_guard_does_not_keep_dlock_from_ending(self):
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; read _; exit 4")
        running.expect("ready")
        os.kill(guard_of(running.pid), signal.SIGSTOP)
        running.close_stdin()
        self.assertEqual(running.wait(), 4)

    def test_a_guard_woken_long_after_all_is_over_kills_nobody(self):
        self.leaves_keys = True
        running = self.family()
        os.kill(self.guard, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(self.guard) == "T"))
        running.send(signal.SIGSTOP)  # so that it does not end properly
        os.killpg(self.parent, signal.SIGKILL)
        running.send(signal.SIGKILL)
        running.wait()
        # Gone for good, which is up to process 1 now.
        eventually(lambda: state(self.parent) is None and state(self.child) is None)
        innocent = start_with_pid(self.parent)
        os.kill(self.guard, signal.SIGCONT)
        self.assert_gone(self.guard)
        self.assertTrue(is_alive(innocent))
        os.kill(innocent, signal.SIGKILL)
        os.waitpid(innocent, 0)

    def test_a_pipeline_ends_with_the_command(self):
        result = subprocess.run(["sh", "-c", '"$0" run x -- echo out | cat', DLOCK], env=self.environment,
                                stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(result.stdout, b"out\n")


if __name__ == "__main__":
    unittest.main()
