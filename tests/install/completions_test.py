"""The completions of bash, zsh and fish: they offer what --help lists."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

COMPLETIONS = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"]) / "completions"
DLOCK = os.environ["DLOCK_BIN"]
PATIENCE = 30.0  # seconds for a shell to start and to answer
# Cursor movements and attributes, which stand between the words that a shell shows.
CONTROLS = re.compile(r"\x1b[\[(][0-9;?]*[A-Za-z]|[\a\b\r]")


def help_of(*command):
    return subprocess.run([DLOCK, "help", *command], stdout=subprocess.PIPE, text=True, check=True).stdout


def commands():
    return set(re.findall(r"^  dlock (\w+) ", help_of(), re.MULTILINE))


def options(command):
    listed = re.findall(r"^ {2,6}(?=-)(.*?)  ", help_of(command), re.MULTILINE)
    return {option for line in listed for option in re.findall(r"(?<!\S)--?[A-Za-z-]+", line)}


class Shell:
    """A shell on a terminal, at which somebody types."""

    def __init__(self, *arguments, environment):
        self.shown = ""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(arguments[0], arguments, {**environment, "TERM": "xterm", "COLUMNS": "200"})

    def type(self, text):
        self.shown = ""
        os.write(self.terminal, text.encode())

    def wait_for(self, *texts):
        """Until it has shown all of these; returns whether it has."""
        end = time.monotonic() + PATIENCE
        while not all(text in CONTROLS.sub("", self.shown) for text in texts):
            ready, _, _ = select.select([self.terminal], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return False
            self.shown += os.read(self.terminal, 4096).decode(errors="replace")
        return True

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


class Completions(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        programs = pathlib.Path(home.name) / "bin"
        programs.mkdir()
        (programs / "dlock").symlink_to(DLOCK)
        path = f"{programs}:/usr/bin:/bin"
        self.environment = {"PATH": path, "HOME": home.name, "LC_ALL": "C.UTF-8"}

    def need(self, shell):
        if shutil.which(shell) is None:
            self.skipTest(f"{shell} is not installed")

    def run_in(self, *command):
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                              env=self.environment).stdout

    def candidates_of_bash(self, *words):
        script = f"""source {COMPLETIONS}/dlock.bash
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _dlock
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        return set(self.run_in("bash", "-c", script, "bash", *words).split())

    def candidates_of_fish(self, line):
        script = f"source {COMPLETIONS}/dlock.fish; complete -C '{line}'"
        return {row.split("\t")[0] for row in self.run_in("fish", "-c", script).splitlines()}

    def test_bash_and_fish_offer_all_commands_and_all_their_options(self):
        self.need("fish")
        self.assertIn("--wait", options("run"))
        self.assertLess(commands(), self.candidates_of_bash("dlock", ""))
        self.assertLess(commands(), self.candidates_of_fish("dlock "))
        for command in commands():
            with self.subTest(command=command):
                self.assertEqual(self.candidates_of_bash("dlock", command, "-"), options(command))
                self.assertEqual(self.candidates_of_fish(f"dlock {command} -"), options(command))

    def test_the_value_of_an_option_is_not_taken_for_the_name(self):
        self.need("fish")
        self.assertEqual(self.candidates_of_bash("dlock", "run", "-w", "5m", "--nonb"), {"--nonblock"})
        self.assertEqual(self.candidates_of_fish("dlock run -w 5m --nonb"), {"--nonblock"})
        self.assertEqual(self.candidates_of_bash("dlock", "run", "-w", "--"), set())
        self.assertEqual(self.candidates_of_fish("dlock run -w --"), set())

    def type_and_see(self, shell):
        shell.type("dlock r\t")
        self.assertTrue(shell.wait_for("dlock run "), shell.shown)
        shell.type("--w\t\t")
        self.assertTrue(shell.wait_for("--wait", "--weight"), shell.shown)
        shell.type("\x15dlock run -w 5m job -- dloc\t")
        self.assertTrue(shell.wait_for("job -- dlock "), shell.shown)

    def test_bash_on_a_terminal(self):
        shell = Shell("bash", "--norc", "--noprofile", "-i", environment=self.environment)
        self.addCleanup(shell.close)
        shell.type(f"source {COMPLETIONS}/dlock.bash; echo rea''dy\n")
        self.assertTrue(shell.wait_for("ready"), shell.shown)
        self.type_and_see(shell)

    def test_zsh_on_a_terminal(self):
        self.need("zsh")
        shell = Shell("zsh", "-f", "-i", environment=self.environment)
        self.addCleanup(shell.close)
        shell.type(f"fpath=({COMPLETIONS} $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\n")
        self.assertTrue(shell.wait_for("ready"), shell.shown)
        self.type_and_see(shell)
        shell.type("\x15dlock info job --j\t")
        self.assertTrue(shell.wait_for("--json "), shell.shown)
        shell.type("\x15dlock run -w 5m job -- dlock ru\t")
        self.assertTrue(shell.wait_for("-- dlock run "), shell.shown)

    def test_fish_completes_what_runs_behind_the_name(self):
        self.need("fish")
        self.assertEqual(self.candidates_of_fish("dlock r"), {"run"})
        self.assertEqual(self.candidates_of_fish("dlock run -w 5m job -- dlock ru"), {"run"})


if __name__ == "__main__":
    unittest.main()
