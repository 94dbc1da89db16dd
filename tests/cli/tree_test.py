"""All that the command of dlock run started ends with the lock, wherever it went."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

from cli_case import CliCase, DLOCK, adopt_orphans, eventually, guard_of, is_alive, state

REFUSE_CALLS = pathlib.Path(__file__).parent.parent / "support/refuse_calls.py"

# Each starts a worker that is in no group of the command's, and writes its number to $OUT.
WORKER = 'echo $$ >>"$OUT"; while :; do sleep 0.05; done'
ESCAPES = {
    "a group of its own": """set -m; sh -c "$WORKER" & wait""",
    "timeout": """timeout 1000 sh -c "$WORKER" """,
    "a session of its own": """setsid sh -c "$WORKER" & wait""",
    "a daemon": """(setsid sh -c "$WORKER" >/dev/null 2>&1 </dev/null &); while :; do sleep 0.05; done""",
    "a parent that ended": """(timeout 1000 sh -c "$WORKER" &) ; while :; do sleep 0.05; done""",
    "deaf": """setsid sh -c "trap '' TERM; $WORKER" & while :; do sleep 0.05; done""",
}


class Tree(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        adopt_orphans()

    def setUp(self):
        super().setUp()
        self.out = self.directory / "workers"
        self.environment.update(OUT=str(self.out), WORKER=WORKER)

    def workers(self):
        return [int(pid) for pid in self.out.read_text().split()] if self.out.exists() else []

    def run_escape(self, script, *options):
        self.out.unlink(missing_ok=True)
        running = self.start("run", "--kill-after", "300ms", *options, "x", "--", "bash", "-c", script)
        self.assertTrue(eventually(self.workers))
        self.addCleanup(self.kill_workers, self.workers())
        return running

    @staticmethod
    def kill_workers(pids):
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

    def assert_ended_before_the_next_holder(self):
        test = " ".join(f"/proc/{pid}/stat" for pid in self.workers())
        result = self.dlock("run", "x", "--", "sh", "-c", f"cat {test} 2>/dev/null | grep -v ') Z'")
        self.assertEqual(result.stdout, b"")

    def test_a_signal_ends_it_all(self):
        for name, script in ESCAPES.items():
            with self.subTest(name):
                running = self.run_escape(script)
                running.send(signal.SIGTERM)
                self.assert_ended_before_the_next_holder()
                self.assertIn(running.wait(), (128 + signal.SIGTERM, 128 + signal.SIGKILL))

    def test_the_loss_of_the_lock_ends_it_all(self):
        for name, script in ESCAPES.items():
            with self.subTest(name):
                running = self.run_escape(script, "--ttl", "900ms")
                self.server.command("DEL x")
                self.assertEqual(running.wait(), 73)
                self.assert_gone(*self.workers())

    def test_killing_the_commands_first_process_ends_it_all(self):
        for name, script in ESCAPES.items():
            with self.subTest(name):
                running = self.run_escape('echo "main $$"; ' + script)
                os.kill(int(running.word_after("main")), signal.SIGKILL)
                self.assert_ended_before_the_next_holder()
                self.assertEqual(running.wait(), 128 + signal.SIGKILL)

    def test_kill_9_of_dlock_ends_it_all_and_gives_the_lock_back(self):
        self.leaves_keys = True  # its registration
        for name, script in ESCAPES.items():
            with self.subTest(name):
                running = self.run_escape(script, "--ttl", "1h")
                running.send(signal.SIGKILL)
                self.assert_ended_before_the_next_holder()
                running.wait()

    def test_stopping_dlock_past_the_ttl_ends_it_all(self):
        for name, script in ESCAPES.items():
            with self.subTest(name):
                running = self.run_escape(script, "--ttl", "900ms")
                running.send(signal.SIGSTOP)
                self.assert_gone(*self.workers())
                running.send(signal.SIGCONT)
                self.assertEqual(running.wait(), 73)

    def test_the_guard_gives_back_all_kinds_of_locks(self):
        self.leaves_keys = True
        for options in (["--and", "y"], ["--shared"], ["--exclusive"], ["--permits", "1"]):
            running = self.run_escape(ESCAPES["timeout"], "--ttl", "1h", *options)
            running.send(signal.SIGKILL)
            running.wait()
            again = ["--exclusive"] if options == ["--shared"] else options
            self.assertEqual(self.dlock("run", "-w", "20s", *again, "x", "--", "true").returncode, 0)
            self.server.command("FLUSHALL")

    def test_a_job_once_in_a_period_keeps_others_out_although_its_dlock_was_killed(self):
        self.leaves_keys = True
        running = self.run_escape(ESCAPES["timeout"], "--at-least", "1h", "--at-most", "2h")
        running.send(signal.SIGKILL)
        self.assert_gone(*self.workers())
        running.wait()
        self.assertEqual(self.dlock("run", "--at-least", "1h", "x", "--", "echo", "ran").stdout, b"")

    def test_what_a_command_that_ended_well_left_behind_lives_on(self):
        running = self.run_escape("""setsid sh -c "$WORKER" >/dev/null 2>&1 </dev/null & exit 3""")
        self.assertEqual(running.wait(), 3)
        self.assertTrue(all(map(is_alive, self.workers())))

    def test_what_is_stopped_is_continued_to_end(self):
        running = self.start("run", "x", "--", "sleep", "1000")
        child = self.child_of(running, "sleep")
        os.kill(child, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(child) == "T"))
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 128 + signal.SIGTERM)

    def test_a_signal_comes_once_to_what_a_parent_passes_it_on_to(self):
        # timeout passes it on, and so does a dlock inside.
        count = 'trap "echo got" USR1; trap "echo asked; exit 0" TERM; echo ready; while :; do sleep 0.02; done'
        running = self.start("run", "x", "--", DLOCK, "run", "y", "--", "sh", "-c", count)
        running.expect("ready")
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(running.stdout.count("asked"), 1)

    def child_of(self, running, name):
        found = []

        def look():
            for entry in pathlib.Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                try:
                    text = (entry / "stat").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                comm, rest = text[text.index("(") + 1:].rsplit(")", 1)
                if comm == name and int(rest.split()[1]) == running.pid:
                    found.append(int(entry.name))
            return found
        self.assertTrue(eventually(look))
        return found[0]

    def test_a_process_of_another_user_is_named(self):
        if os.getuid() != 0 or not shutil.which("setpriv"):
            self.skipTest("needs root and setpriv")
        # A program that anybody may start and that then runs as root, as sudo does.
        os.chmod(self.directory, 0o755)
        other = self.directory / "setpriv"
        shutil.copy(shutil.which("setpriv"), other)
        os.chmod(other, 0o4755)
        self.out.touch()
        os.chmod(self.out, 0o666)
        user = ["setpriv", "--reuid=65431", "--regid=65431", "--clear-groups", "--"]
        if subprocess.run([*user, str(other), "--reuid=0", "--clear-groups", "true"]).returncode != 0:
            self.skipTest("programs may not change their user here")
        script = f'"{other}" --reuid=0 --clear-groups -- sh -c "$WORKER" >/dev/null 2>&1 & wait'
        running = self.start_program(*user, DLOCK, "run", "--kill-after", "300ms", "x", "--", "sh", "-c", script)
        self.assertTrue(eventually(self.workers))
        self.addCleanup(self.kill_workers, self.workers())
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 128 + signal.SIGTERM)
        pid = self.workers()[0]
        self.assertRegex(running.stderr, rf"cannot end process {pid} \('sh'\), .* runs as another user")
        self.assertTrue(is_alive(pid))

    def test_as_the_first_process_of_a_container_it_collects_orphans(self):
        if os.getuid() != 0 or not shutil.which("unshare"):
            self.skipTest("needs root and unshare")
        script = "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 &); done; sleep 0.5; " \
                 "until ! ps -eo args | grep -q '^sleep'; do sleep 0.05; done; ps -eo stat= | grep -c ^Z"
        result = subprocess.run(["unshare", "-pf", "--mount-proc", "--", DLOCK, "run", "x", "--", "bash", "-c", script],
                                env=self.environment, stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(result.stdout, b"0\n")

    def test_the_private_server_that_a_run_inside_started_is_not_the_commands(self):
        place = self.directory / "private"
        running = self.start("run", "x", "--", DLOCK, "run", "--url", f"local:{place}", "y", "--", "sh", "-c",
                             "echo ready; while :; do sleep 0.05; done")
        running.expect("ready")
        self.addCleanup(subprocess.run, ["redis-cli", "-s", str(place / "redis.sock"), "shutdown"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.send(signal.SIGTERM)
        running.wait()
        answer = subprocess.run(["redis-cli", "-s", str(place / "redis.sock"), "ping"], stdout=subprocess.PIPE)
        self.assertEqual(answer.stdout, b"PONG\n")

    def test_on_an_old_kernel_the_guard_still_sees_that_dlock_was_killed(self):
        self.leaves_keys = True
        for absent in ("close_range", "pidfd_open,pidfd_send_signal"):
            with self.subTest(absent):
                self.out.unlink(missing_ok=True)
                running = self.start_program(sys.executable, REFUSE_CALLS, absent, DLOCK, "run", "--ttl", "1h",
                                             "x", "--", "bash", "-c", ESCAPES["timeout"])
                self.assertTrue(eventually(lambda: self.workers() or running.process.poll() is not None))
                if running.process.poll() == 77:
                    self.skipTest("no calls can be refused here")
                running.send(signal.SIGKILL)
                self.assert_ended_before_the_next_holder()
                running.wait()

    def test_on_an_old_kernel_the_command_inherits_nothing_that_dlock_did_not(self):
        source, leaks = self.directory / "leaks.c", self.directory / "leaks.so"
        source.write_text("#include <fcntl.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
                          "int socket(int a, int b, int c) { open(\"/dev/zero\", O_RDONLY);"
                          " return (int)syscall(SYS_socket, a, b, c); }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", leaks, source], check=True)
        environment = {**self.environment, "LD_PRELOAD": str(leaks)}
        if subprocess.run([DLOCK, "--version"], env=environment, capture_output=True).returncode != 0:
            self.skipTest("a sanitizer must come first")
        look = "readlink /proc/$PPID/fd/*; echo ---; readlink /proc/$$/fd/*"
        for absent in ("pidfd_open", "close_range"):
            with self.subTest(absent):
                done = subprocess.run([sys.executable, REFUSE_CALLS, absent, "env", f"LD_PRELOAD={leaks}",
                                       DLOCK, "run", "x", "--", "sh", "-c", look], env=self.environment,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
                if done.returncode == 77:
                    self.skipTest("no calls can be refused here")
                of_dlock, of_the_command = done.stdout.split("---")
                self.assertIn("/dev/zero", of_dlock)
                self.assertNotIn("/dev/zero", of_the_command)

    def test_without_its_guard_dlock_says_so_and_still_collects_orphans(self):
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; read _; (sleep 0.01 & echo orphan $!); "
                             "read _; exit 3")
        running.expect("ready")
        os.kill(guard_of(running.pid), signal.SIGKILL)
        running.process.stdin.write(b"\n")
        running.process.stdin.flush()
        orphan = int(running.word_after("orphan"))
        self.assertTrue(eventually(lambda: state(orphan) is None))
        running.close_stdin()
        self.assertEqual(running.wait(), 3)
        self.assertIn("the guard of the lock 'x' was killed", running.stderr)


class Signals(CliCase):
    # Reports each signal and goes on.
    PROGRAM = """
import os, signal, sys, time
def on_signal(number, _): os.write(1, f"got {number}\\n".encode())
for number in map(int, sys.argv[1:]): signal.signal(number, on_signal)
os.write(1, b"ready\\n")
while True: time.sleep(0.05)
"""

    def test_every_signal_that_can_be_caught_reaches_the_command(self):
        faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}  # handled by sanitizers
        numbers = [int(number) for number in signal.valid_signals() - faults
                   if number not in (signal.SIGKILL, signal.SIGSTOP)]
        running = self.start("run", "--ttl", "20s", "x", "--", sys.executable, "-c", self.PROGRAM, *map(str, numbers))
        running.expect("ready")
        for number in numbers:
            running.send(number)
            running.expect(f"got {number}\n")
        self.assertFalse(running.is_over())
        self.assertEqual(state(running.pid), "S")
        self.server.command("DEL x")  # the program is deaf to TERM
        running.send(signal.SIGKILL)
        running.wait()
        self.leaves_keys = True

    def test_what_systemd_said_of_dlock_is_said_of_the_command(self):
        told = "echo $LISTEN_PID $WATCHDOG_PID $LISTEN_FDS ${LISTEN_PIDFDID-none} $$"
        inner = f"export LISTEN_PID=$$ WATCHDOG_PID=$$ LISTEN_FDS=2 LISTEN_PIDFDID=4711; exec '{DLOCK}' run x -- sh -c '{told}'"
        result = subprocess.run(["sh", "-c", inner], env=self.environment, stdout=subprocess.PIPE, timeout=60)
        listen, watchdog, count, inode, own = result.stdout.decode().split()
        self.assertEqual((listen, watchdog, count, inode), (own, own, "2", "none"))
        others = self.dlock("run", "x", "--", "sh", "-c", told,
                            env={**self.environment, "LISTEN_PID": "1", "WATCHDOG_PID": "1", "LISTEN_FDS": "2",
                                 "LISTEN_PIDFDID": "4711"})
        self.assertEqual(others.stdout.decode().split()[:4], ["1", "1", "2", "4711"])


if __name__ == "__main__":
    unittest.main()
