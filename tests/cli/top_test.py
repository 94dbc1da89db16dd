"""dlock top on a real terminal, beside real contention: what the screen shows, keys, sizes, ends."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import unittest

from cli_case import CliCase, DLOCK, PATIENCE, eventually

SEQUENCE = re.compile(r"\x1b(?:\[([?0-9;]*)([A-Za-z])|.)|\r|\n|[^\x1b\r\n]")


# A shell with job control: runs a program, and continues it once when it has stopped.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
_, status = os.waitpid(child, os.WUNTRACED)
os.tcsetpgrp(0, os.getpgrp())
print("stopped", os.WIFSTOPPED(status), flush=True)
input()
os.tcsetpgrp(0, child)
os.kill(child, signal.SIGCONT)
_, status = os.waitpid(child, 0)
os.tcsetpgrp(0, os.getpgrp())
print("status", status)
"""


class Screen:
    """dlock on a terminal that draws what dlock writes."""

    def __init__(self, arguments, environment, columns=80, rows=24):
        self.master, self.terminal = pty.openpty()
        self.modes = termios.tcgetattr(self.terminal)
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            arguments, env=environment, start_new_session=True, stdin=self.terminal, stdout=self.terminal,
            stderr=subprocess.PIPE, preexec_fn=lambda: fcntl.ioctl(self.terminal, termios.TIOCSCTTY, 0))
        self.bytes = b""
        self.lines, self.row, self.column = {}, 0, 0
        self.set_modes = set()
        self.problems = []
        self.frames = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        text, master = "", self.master
        try:
            while part := os.read(master, 65536):
                self.bytes += part
                text += part.decode(errors="replace")
                end = text.rfind("\x1b[?2026l") + 8 if "\x1b[?2026l" in text else (
                    0 if "\x1b[?2026h" in text else len(text))
                for found in SEQUENCE.finditer(text[:end]):
                    self._draw(found)
                text = text[end:]
        except OSError:
            pass

    def _draw(self, found):
        text, (parameters, command) = found.group(), found.groups()
        if text == "\r":
            self.column = 0
        elif text == "\n":
            self.row += 1
        elif not text.startswith("\x1b"):
            line = self.lines.get(self.row, "").ljust(self.column)
            self.lines[self.row] = line[:self.column] + text + line[self.column + 1:]
            self.column += 1
        elif command == "H":
            self.row = self.column = 0
        elif command == "K":
            self.lines[self.row] = self.lines.get(self.row, "")[:self.column]
        elif command in ("h", "l"):
            (self.set_modes.add if command == "h" else self.set_modes.discard)(parameters)
            if parameters == "?1049":
                self.lines = {}
            self.frames += parameters == "?2026" and command == "l"
        elif command != "m":
            self.problems.append(text)

    def text(self):
        return "\n".join(self.lines.get(row, "") for row in range(self.rows))

    def expect(self, pattern):
        if not eventually(lambda: re.search(pattern, self.text()), PATIENCE):
            raise AssertionError(f"no {pattern!r}: {self.process.poll()}\n{self.text()}")

    def type(self, keys):
        os.write(self.master, keys.encode())

    def wait(self):
        return self.process.wait(PATIENCE)

    def dispose(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        for fd in (self.terminal, self.master):
            if fd is not None:
                os.close(fd)
        self.terminal = self.master = None
        self.reader.join(PATIENCE)


class Top(CliCase):
    def top(self, *options, **size):
        screen = Screen([DLOCK, "top", "--interval", "100ms", *options],
                        {**self.environment, "TERM": "xterm"}, **size)
        self.addCleanup(screen.dispose)
        screen.expect("q: quit")
        return screen

    def contend(self):
        """The lock "busy" with a holder and two waiters, and the lock "calm"; returns all four."""
        programs = [self.hold("calm", "--label", "the calm one"), self.hold("busy", "--label", "first")]
        for label in ("second", "third"):
            programs.append(self.start("run", "--label", label, "busy", "--", "true"))
            self.wait_for_waiters("busy", len(programs) - 2)
        return programs

    def release(self, programs):
        for program in programs:
            program.close_stdin()
        self.assertEqual([program.wait() for program in programs], [0] * len(programs))

    def assert_restored(self, screen):
        self.assertTrue(eventually(lambda: "?1049" not in screen.set_modes, PATIENCE))
        self.assertEqual(termios.tcgetattr(screen.terminal), screen.modes)
        self.assertEqual(screen.set_modes & {"?1049", "?2026"}, set())
        self.assertTrue({"?25", "?7"} <= screen.set_modes, "the cursor and the wrapping are back")

    def test_it_shows_the_locks_live_and_one_with_its_queue(self):
        programs = self.contend()
        screen = self.top()
        screen.expect(r"2 locks: 2 held, 1 with waiters; 2 waiting, the longest \d")
        screen.expect(r"busy +\S+:\d+ dlock \(first\) +2 +\S+s +\S+s +\S+s +-\s*\n"
                      r"calm +\S+:\d+ dlock \(the calm one\) +0 +- ")
        screen.type("/the calm\r")
        screen.expect(r"filter 'the calm': 1")
        self.assertNotIn("(first)", screen.text())
        screen.type("\x1b\r")
        screen.expect(r"busy: held\n  holder .*\(first\)\n(.*\n)+  waiting   2\n +1  .*\(second\).*\n +2  .*\(third\)")
        self.release(programs)
        screen.expect("busy: nobody holds it|busy: free")
        screen.type("\x1b")
        screen.expect("nobody holds a lock, and nobody waits for one")
        screen.type("q")
        self.assertEqual(screen.wait(), 0)
        self.assert_restored(screen)
        self.assertEqual((screen.problems, screen.process.stderr.read()), ([], b""))

    def test_hand_offs_a_second_are_near_the_truth(self):
        loop = 'i=0; while [ $i -lt 40 ]; do "$0" run x -- sleep 0.1 || exit; i=$((i+1)); done'
        programs = [self.start_program("sh", "-c", loop, DLOCK) for _ in range(2)]
        screen = self.top()
        screen.expect(r"x +\S+:\d+ dlock .* [2-9]\.\d *\n")
        for program in programs:
            program.process.kill()
        screen.type("q")
        self.assertEqual(screen.wait(), 0)
        self.leaves_keys = True  # the last one's lock may still be held

    def test_it_follows_the_size_of_the_terminal(self):
        programs = self.contend()
        screen = self.top(columns=80, rows=24)
        screen.expect("busy")
        for columns, rows in ((40, 8), (120, 50), (10, 3), (80, 24)):
            screen.lines = {}
            screen.resize(columns, rows)
            screen.expect(r"^dlock top" + r".*\n" * (rows - 1) + r".*q: quit" if columns > 10 else r"q: qui")
            self.assertLessEqual(max(map(len, screen.lines.values())), columns)
            self.assertLess(max(screen.lines), rows)
        screen.type("q")
        self.assertEqual(screen.wait(), 0)
        self.release(programs)

    def test_every_end_restores_the_terminal(self):
        for end, status in (("\x03", 0), ("q", 0), (signal.SIGTERM, -signal.SIGTERM),
                            (signal.SIGHUP, -signal.SIGHUP), (signal.SIGINT, -signal.SIGINT)):
            with self.subTest(end=end):
                screen = self.top()
                self.assertNotEqual(termios.tcgetattr(screen.terminal), screen.modes)
                screen.type(end) if isinstance(end, str) else os.kill(screen.process.pid, end)
                self.assertEqual(screen.wait(), status)
                self.assert_restored(screen)

    def test_a_terminal_that_is_gone_ends_it(self):
        screen = self.top()
        os.close(screen.terminal)
        os.close(screen.master)
        screen.terminal = screen.master = None
        self.assertIn(screen.wait(), (74, -signal.SIGHUP))

    def test_a_terminal_that_nobody_reads_does_not_keep_it(self):
        screen = Screen([DLOCK, "top", "--interval", "100ms"], self.environment)
        self.addCleanup(screen.dispose)
        screen.expect("q: quit")
        termios.tcflow(screen.terminal, termios.TCOOFF)
        os.kill(screen.process.pid, signal.SIGTERM)
        self.assertEqual(screen.wait(), -signal.SIGTERM)

    def test_ctrl_z_stops_it_with_a_restored_terminal_and_it_goes_on(self):
        screen = Screen([sys.executable, "-c", SHELL, DLOCK, "top", "--interval", "100ms"], self.environment)
        self.addCleanup(screen.dispose)
        screen.expect("q: quit")
        screen.type("\x1a")
        screen.expect("stopped True")
        self.assertEqual(termios.tcgetattr(screen.terminal), screen.modes)
        screen.type("\r")
        screen.expect("q: quit")
        screen.type("q")
        screen.expect("status 0")
        self.assertEqual(screen.wait(), 0)

    def test_it_goes_on_when_the_server_is_back(self):
        screen = self.top()
        self.server.kill9()
        screen.expect("cannot read the store, trying again")
        self.server.restart()
        screen.expect("nobody holds a lock")
        screen.type("q")
        self.assertEqual(screen.wait(), 0)

    def test_hostile_names_and_labels_do_nothing_to_the_terminal(self):
        name = b"\x1b]0;owned\x07\x9b31m\r\n\xe2\x80\xae\xc2\x9b\x7f\xff"
        holder = self.start("run", "--label", name, "--", name, "sh", "-c", "echo ready; cat")
        holder.expect("ready")
        screen = self.top()
        screen.expect(re.escape(r"\x1b]0;owned\x07"))
        screen.type("\r")
        screen.expect("holding|holder")
        screen.type("q")
        self.assertEqual(screen.wait(), 0)
        self.assertEqual(screen.problems, [])
        sent = re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]|\r\n", b"", screen.bytes).decode()
        self.assertEqual([c for c in sent if not c.isprintable()], [])
        result = self.dlock("top", "--once")
        self.assertEqual([c for c in result.stdout.decode() if not c.isprintable() and c != "\n"], [])
        locks = json.loads(self.dlock("top", "--once", "--json").stdout)["locks"]
        self.assertIn("name_base64", locks[0])
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_once_prints_the_locks_and_the_same_as_json(self):
        programs = self.contend()
        result = self.dlock("top", "--once")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        lines = result.stdout.decode().splitlines()
        self.assertRegex(lines[0], r"\A2 locks: 2 held, 1 with waiters; 2 waiting, the longest \S+\Z")
        self.assertRegex(lines[1], r"\ANAME +HOLDER +WAIT LONGEST +HELD +TTL +H/S\Z")
        self.assertEqual([line.split()[0] for line in lines[2:]], ["busy", "calm"])
        self.assertEqual(self.dlock("top", "--once", "--sort", "name", "--reverse").stdout.split(b"\n")[2][:4],
                         b"calm")
        result = json.loads(self.dlock("top", "--once", "--json", "b*").stdout)
        self.assertEqual([lock["name"] for lock in result["locks"]], ["busy"])
        self.assertEqual((result["totals"]["locks"], result["totals"]["waiters"], result["deadlocks"]), (1, 2, []))
        self.assertGreater(result["locks"][0]["longest_wait_ms"], 0)
        self.assertEqual(result["locks"][0]["handoffs_per_s"], 0)
        self.assertEqual(result["locks"][0]["holder"]["label"], "first")
        self.release(programs)

    def test_it_needs_a_terminal_unless_once_and_a_store(self):
        result = self.dlock("top")
        self.assertEqual(result.returncode, 64)
        self.assertIn("--once", self.assert_one_message(result.stderr))
        self.server.kill9()
        result = self.dlock("top", "--once")
        self.assertEqual(result.returncode, 69)
        self.server.restart()
        self.assert_one_message(result.stderr)


if __name__ == "__main__":
    unittest.main()
