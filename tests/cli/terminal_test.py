"""dlock run on a terminal: foreground group, keys, job control, colours."""

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import threading
import unittest

from cli_case import CliCase, DLOCK, PATIENCE, eventually, state


class Session:
    """A program as leader of a session on a terminal of its own."""

    def __init__(self, arguments, **options):
        self.master, terminal = pty.openpty()
        settings = termios.tcgetattr(terminal)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal, **options}
        self.process = subprocess.Popen(arguments, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
            terminal, termios.TIOCSCTTY, 0), pass_fds=[terminal], **streams)
        self.terminal = terminal
        self.pid = self.process.pid
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while part := os.read(self.master, 4096):
                self.output += part.decode()
        except OSError:
            pass

    def foreground(self):
        return os.tcgetpgrp(self.master)

    def expect(self, text, count=1):
        if not eventually(lambda: self.output.count(text) >= count, PATIENCE):
            raise AssertionError(f"no {text!r} in {self.output!r}, status {self.process.poll()}")

    def number_after(self, label):
        self.expect(f"{label} ")
        eventually(lambda: "\n" in self.output.split(f"{label} ", 1)[1], PATIENCE)
        return int(self.output.split(f"{label} ", 1)[1].split()[0])

    def type(self, keys):
        os.write(self.master, keys.encode())

    def wait(self):
        return self.process.wait(PATIENCE)

    def dispose(self):
        if self.process.poll() is None:
            for group in {self.pid, self.foreground()} - {0}:
                try:
                    os.killpg(group, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it went with the other
            self.process.wait()
        os.close(self.terminal)
        self._reader.join(PATIENCE)
        os.close(self.master)


class OnTerminal(CliCase):
    def session(self, *arguments, **options):
        session = Session(arguments, env={**self.environment, "TERM": "xterm"}, **options)
        self.addCleanup(session.dispose)
        return session

    def run_command(self, script, *options, **streams):
        return self.session(DLOCK, "run", *options, "x", "--", "sh", "-c", script, **streams)

    def test_the_command_is_the_foreground_group_and_can_read_the_terminal(self):
        session = self.run_command(f"echo pid $$; read _ <{self.gate()}; read line; echo got $line")
        pid = session.number_after("pid")
        self.assertEqual(session.foreground(), pid)
        (self.directory / "gate").write_text("go\n")
        session.type("hello\n")
        session.expect("got hello")
        self.assertEqual(session.wait(), 0)

    def test_the_terminal_is_taken_back_afterwards(self):
        script = '"$0" run x -- true; ps -o tpgid= -p $$ | tr -d " "; echo self $$; read line; echo got $line'
        session = self.session("sh", "-c", script, DLOCK)
        shell = session.number_after("self")
        self.assertEqual(session.foreground(), shell)
        session.type("more\n")
        session.expect("got more")
        self.assertEqual(session.wait(), 0)

    def test_ctrl_c_reaches_the_command_and_its_children(self):
        child = "trap 'echo child interrupted; exit' INT; echo ready; while :; do sleep 0.02; done"
        session = self.run_command(f"trap 'echo interrupted; exit 5' INT; sh -c \"{child}\"; :")
        session.expect("ready")
        session.type("\x03")
        session.expect("child interrupted")
        session.expect("\ninterrupted")
        self.assertEqual(session.wait(), 5)

    def test_a_ctrl_c_that_ends_the_command_ends_dlock_by_the_same_signal(self):
        session = self.run_command("echo ready; exec sleep 1000")
        session.expect("ready")
        session.type("\x03")
        self.assertEqual(session.wait(), -signal.SIGINT)

    def test_ctrl_c_ends_the_script_that_dlock_stands_in(self):
        for shell in ("bash", "sh"):
            with self.subTest(shell=shell):
                script = 'for i in 1 2 3; do "$0" run x -- sh -c "echo run $i; exec sleep 1000"; done; echo survived'
                session = self.session(shell, "-c", script, DLOCK)
                session.expect("run 1")
                session.type("\x03")
                self.assertEqual(session.wait(), -signal.SIGINT)
                self.assertNotIn("survived", session.output)

    def test_ctrl_c_while_waiting_ends_the_script_too(self):
        holder = self.hold("x")
        session = self.session("bash", "-c", '"$0" run x -- true; echo survived', DLOCK)
        self.wait_for_waiters("x", 1)
        session.type("\x03")
        self.assertEqual(session.wait(), -signal.SIGINT)
        self.assertNotIn("survived", session.output)
        self.wait_for_waiters("x", 0)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def shell(self, name):
        options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"], "dash": []}[name]
        if not shutil.which(name):
            self.skipTest(f"{name} is not installed")
        session = self.session(name, *options, "-i")
        session.type("echo rea''dy\n")
        session.expect("ready")
        return session

    def type_run(self, session, end=""):
        """Types a run whose command reads a line; its number. The shell may show what is typed."""
        session.type(f"'{DLOCK}' run x -- sh -c 'echo p\"\"id $$; read line; echo got-$line'{end}\n")
        return session.number_after("pid")

    def bring_forward(self, session, command):
        session.type("fg\n")
        self.assertTrue(eventually(lambda: session.foreground() == command and state(command) == "S", PATIENCE))
        session.type("hello\n")
        session.expect("got-hello")
        self.assertTrue(eventually(lambda: session.foreground() == session.pid, PATIENCE))
        session.type("exit\n")
        session.wait()

    def test_in_every_shell_ctrl_z_and_fg_do_what_they_do_to_the_command_alone(self):
        for name in ("bash", "dash", "fish", "zsh"):
            with self.subTest(name):
                session = self.shell(name)
                command = self.type_run(session)
                self.assertTrue(eventually(lambda: session.foreground() == command, PATIENCE))
                session.type("\x1a")
                session.expect("stopped: dlock keeps the lock 'x' for")
                self.assertTrue(eventually(lambda: session.foreground() == session.pid, PATIENCE))
                session.type("echo at-the-pro''mpt\n")
                session.expect("at-the-prompt")
                self.bring_forward(session, command)

    def test_in_every_shell_a_job_in_the_background_reads_the_terminal_after_fg(self):
        for name in ("bash", "dash", "fish", "zsh"):
            with self.subTest(name):
                session = self.shell(name)
                command = self.type_run(session, " &")
                self.assertTrue(eventually(lambda: state(command) == "T", PATIENCE))
                self.bring_forward(session, command)

    def test_a_job_that_is_stopped_for_longer_than_the_ttl_is_killed(self):
        session = self.shell("bash")
        session.type(f"'{DLOCK}' run --ttl 700ms x -- sh -c 'echo p\"\"id $$; exec sleep 1000'\n")
        command = session.number_after("pid")
        session.type("\x1a")
        self.assert_gone(command)
        session.type("fg\n")
        session.expect("lost the lock 'x'")
        session.type("echo status-$?; exit\n")
        session.expect("status-73")
        session.wait()

    def test_a_command_stopped_otherwise_is_left_alone(self):
        session = self.run_command("echo pid $$; while :; do sleep 0.02; echo tick; done")
        pid = session.number_after("pid")
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(pid) == "T"))
        os.kill(session.pid, signal.SIGUSR1)  # dlock has looked at it when this was passed on
        self.assertTrue(eventually(lambda: int(self.pending(pid), 16) & 1 << signal.SIGUSR1 - 1))
        self.assertEqual(state(pid), "T")
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(session.wait(), 128 + signal.SIGKILL)

    def pending(self, pid):
        with open(f"/proc/{pid}/status") as status:
            return next(line.split()[1] for line in status if line.startswith("ShdPnd"))

    def test_in_a_pipeline_the_terminal_stays_with_the_job_until_the_command_reads_it(self):
        read, write = os.pipe()
        session = self.run_command("echo pid $$ >/dev/tty; read _ <&3; read line </dev/tty; echo got $line >/dev/tty"
                                   .replace("<&3", f"<{self.gate()}"), stdout=write)
        os.close(write)
        session.number_after("pid")
        self.assertEqual(session.foreground(), session.pid)
        (self.directory / "gate").write_text("go\n")
        session.type("hello\n")
        session.expect("got hello")
        self.assertEqual(session.wait(), 0)
        self.assertEqual(os.read(read, 10), b"")
        os.close(read)

    def gate(self):
        path = self.directory / "gate"
        os.mkfifo(path)
        return path

    def test_without_being_in_the_foreground_the_terminal_is_left_alone(self):
        script = 'set -m; "$0" run x -- sh -c "echo pid \\$\\$; read _ <%s" & echo self $$; wait' % self.gate()
        session = self.session("bash", "-c", script, DLOCK)
        session.number_after("pid")
        self.assertEqual(session.foreground(), session.number_after("self"))
        (self.directory / "gate").write_text("go\n")
        self.assertEqual(session.wait(), 0)

    def test_a_hint_names_the_holder_after_a_while(self):
        holder = self.hold("x", "--label", "the other")
        session = self.session(DLOCK, "run", "x", "--", "echo", "ran")
        session.expect("waiting for 'x', held by")
        self.assertIn("(the other)", session.output)
        holder.close_stdin()
        self.assertEqual((holder.wait(), session.wait()), (0, 0))
        session.expect("ran")

    def test_colours_are_for_terminals_and_respect_no_color(self):
        holder = self.hold("x")
        for no_color, coloured in (("", True), ("1", False)):
            self.environment["NO_COLOR"] = no_color
            for arguments in (["ls"], ["run", "-n", "x", "true"]):
                session = self.session(DLOCK, *arguments)
                session.wait()
                session.expect("x")
                self.assertEqual("\x1b[" in session.output, coloured, session.output)
        del self.environment["NO_COLOR"]
        self.assertNotIn(b"\x1b", self.dlock("ls").stdout)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)


if __name__ == "__main__":
    unittest.main()
