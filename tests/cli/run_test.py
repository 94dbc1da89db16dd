"""dlock run: exit statuses, options, and what the command finds when it starts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import unittest

from cli_case import CliCase, DLOCK, PATIENCE


def as_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


class ExitStatus(CliCase):
    def test_the_status_of_the_command_is_passed_on(self):
        for status in (0, 1, 3, 69, 75, 255):
            self.assertEqual(self.dlock("run", "x", "--", "sh", "-c", f"exit {status}").returncode, status)

    def test_a_command_ended_by_a_signal_is_128_and_its_number(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1):
            result = self.dlock("run", "x", "--", "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
            self.assertEqual((result.returncode, result.stderr), (128 + number, b""))

    def test_a_command_that_is_not_there_is_127(self):
        for command in ("no-such-command", "/no/such/command"):
            result = self.dlock("run", "x", "--", command)
            self.assertEqual(result.returncode, 127)
            self.assertIn("No such file", self.assert_one_message(result.stderr))

    def test_a_command_that_cannot_be_executed_is_126(self):
        for command in ("/etc/passwd", "/"):
            result = self.dlock("run", "x", "--", command)
            self.assertEqual(result.returncode, 126)
            self.assertIn("Permission denied", self.assert_one_message(result.stderr))

    def test_nonblock_gives_75_at_once_when_the_lock_is_held(self):
        holder = self.hold("x")
        for option in ("-n", "--nonblock", "-w0", "--wait=0"):
            result = self.dlock("run", option, "x", "--", "echo", "ran")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (75, b"", b""))
        result = self.dlock("run", "-nv", "x", "--", "echo", "ran")
        self.assertEqual(result.returncode, 75)
        where, why = result.stderr.decode().splitlines()
        self.assertEqual(where, f"dlock: the locks are at {self.server.url}")
        self.assertRegex(why, r"\Adlock: could not obtain 'x': it is held by \S+:\d+ dlock \(sh\) for [^;]+; 0 others wait\Z")
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)
        self.assertEqual(self.dlock("run", "-n", "x", "--", "echo", "ran").stdout, b"ran\n")

    def test_who_looks_is_told_the_holder_the_place_and_how_many_wait(self):
        holder = self.hold("x", "--label", "nightly")
        other = self.start("run", "x", "--", "true")
        self.wait_for_waiters("x", 1)
        result = self.dlock("run", "-v", "-w", "500ms", "x", "--and", "y", "--", "true")
        self.assertEqual(result.returncode, 75)
        self.assertRegex(result.stderr.decode().splitlines()[-1],
                         r"\Adlock: could not obtain 'x' and 'y': 'x' is held by \S+:\d+ dlock \(nightly\) for [^;]+; "
                         r"dlock was number 2 in its queue; 1 other waits\Z")
        holder.close_stdin()
        self.assertEqual((holder.wait(), other.wait()), (0, 0))

    def test_wait_gives_75_when_the_time_is_over(self):
        holder = self.hold("x")
        for option in (["-w", "200ms"], ["--wait", "0.2"], ["-w.2"]):
            result = self.dlock("run", *option, "x", "--", "echo", "ran")
            self.assertEqual((result.returncode, result.stdout), (75, b""))
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_the_conflict_exit_code_can_be_chosen(self):
        holder = self.hold("x")
        self.assertEqual(self.dlock("run", "-n", "-E", "0", "x", "--", "false").returncode, 0)
        self.assertEqual(self.dlock("run", "-nE200", "x", "--", "true").returncode, 200)
        self.assertEqual(
            self.dlock("run", "-w.1", "--conflict-exit-code", "9", "x", "--", "true").returncode, 9)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)


class Options(CliCase):
    def test_c_runs_a_shell_command(self):
        for arguments in (["-c", "echo $DLOCK_NAME; exit 4", "x"], ["--command=echo $DLOCK_NAME; exit 4", "x"],
                          ["x", "-c", "echo $DLOCK_NAME; exit 4"]):
            result = self.dlock("run", *arguments)
            self.assertEqual((result.returncode, result.stdout), (4, b"x\n"))

    def test_prefix_is_put_before_the_name(self):
        result = self.dlock("run", "--prefix", "app:", "x", "--", "sh", "-c",
                            f"echo $DLOCK_NAME; redis-cli -s {self.server.socket_path} exists app:x")
        self.assertEqual(result.stdout.split(), [b"x", b"1"])

    def test_no_renew_ends_the_command_when_the_ttl_is_over(self):
        result = self.dlock("run", "--no-renew", "--ttl", "500ms", "x", "--", "sleep", "1000")
        self.assertEqual(result.returncode, 73)
        self.assertIn("its time under the lock 'x' is up (--no-renew, --ttl 500 ms)",
                      self.assert_one_message(result.stderr))

    def test_label_is_what_others_see(self):
        for options, label in ((["--label", "nightly ä"], "nightly ä"), ([], "sh")):
            holder = self.hold("x", *options)
            info = json.loads(self.dlock("info", "--json", "x").stdout)
            self.assertEqual(info["holder"]["label"], label)
            self.assertEqual(info["holder"]["pid"], holder.pid)
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)

    def test_verbose_tells_who_is_waited_for_and_how_long_it_took(self):
        holder = self.hold("x", "--label", "the other")
        waiter = self.start("run", "-v", "x", "--", "echo", "ran")
        waiter.expect_error("waiting for 'x', held by")
        self.assertIn(f":{holder.pid} dlock (the other) for", waiter.stderr)
        holder.close_stdin()
        self.assertEqual(waiter.wait(), 0)
        self.assertRegex(waiter.stderr, r"dlock: obtained 'x' after \d.*, fence [0-9]+\n")
        self.assertTrue(waiter.stderr.endswith("dlock: released 'x'\n"))
        self.assertEqual(waiter.stdout, "ran\n")

    def test_url_comes_before_the_environment(self):
        self.environment["DLOCK_URL"] = "redis://127.0.0.1:1"
        result = self.dlock("run", "--url", self.server.unix_url, "x", "--", "printenv", "DLOCK_URL")
        self.assertEqual((result.returncode, result.stdout.decode()), (0, self.server.unix_url + "\n"))


class Surroundings(CliCase):
    def test_the_command_learns_of_its_lock_from_the_environment(self):
        script = ("env | grep ^DLOCK_ | sort; redis-cli -s " + self.server.socket_path +
                  " get 'my lock'")
        result = self.dlock("run", "--ttl", "9s", "my lock", "--", "sh", "-c", script)
        lines = result.stdout.decode().splitlines()
        found = dict(line.split("=", 1) for line in lines[:-1])
        self.assertEqual(sorted(found), ["DLOCK_FENCE", "DLOCK_HELD", "DLOCK_NAME", "DLOCK_TOKEN",
                                         "DLOCK_TTL_MS", "DLOCK_URL"])
        self.assertEqual(found["DLOCK_NAME"], "my lock")
        self.assertEqual(found["DLOCK_TTL_MS"], "9000")
        self.assertEqual(found["DLOCK_URL"], self.server.url)
        self.assertTrue(lines[-1].startswith(found["DLOCK_TOKEN"]))
        self.assertGreater(int(found["DLOCK_FENCE"]), 0)

    def test_nested_runs_see_the_inner_locks_variables(self):
        inner = f"{DLOCK} run --ttl 7s inner -- sh -c 'echo $DLOCK_NAME $DLOCK_TTL_MS $DLOCK_TOKEN'"
        script = f"echo $DLOCK_NAME $DLOCK_TTL_MS $DLOCK_TOKEN; {inner}; echo $DLOCK_NAME"
        result = self.dlock("run", "--ttl", "8s", "outer", "--", "sh", "-c", script)
        outer, nested, last = result.stdout.decode().splitlines()
        self.assertEqual(outer.split()[:2], ["outer", "8000"])
        self.assertEqual(nested.split()[:2], ["inner", "7000"])
        self.assertNotEqual(outer.split()[2], nested.split()[2])
        self.assertEqual(last, "outer")

    def test_each_variable_is_there_once(self):
        nested = self.dlock("run", "outer", DLOCK, "run", "inner", "env").stdout.decode().splitlines()
        names = [line.split("=")[0] for line in nested if line.startswith("DLOCK_")]
        self.assertEqual(len(names), len(set(names)), nested)
        self.assertIn("DLOCK_NAME=inner", nested)

    def test_megabytes_of_stdin_arrive_unchanged(self):
        data = os.urandom(8 << 20)
        result = self.dlock("run", "x", "--", "sha256sum", input=data)
        self.assertEqual(result.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest())

    def test_stdin_is_not_read_by_dlock(self):
        with open(self.directory / "input", "w+b") as file:
            file.write(b"one\ntwo\n")
            file.seek(0)
            self.assertEqual(self.dlock("run", "x", "--", "true", stdin=file).returncode, 0)
            self.assertEqual(os.lseek(file.fileno(), 0, os.SEEK_CUR), 0)

    def test_a_closed_pipe_behind_the_command_ends_it_and_not_the_release(self):
        read, write = os.pipe()
        process = subprocess.Popen([DLOCK, "run", "x", "--", "yes"], env=self.environment, stdout=write)
        os.close(write)
        self.assertEqual(os.read(read, 2), b"y\n")
        os.close(read)
        self.assertEqual(process.wait(PATIENCE), 128 + signal.SIGPIPE)

    def test_a_stderr_nobody_reads_does_not_stop_dlock(self):
        read, write = os.pipe()
        os.close(read)
        result = subprocess.run([DLOCK, "run", "-v", "x", "--", "echo", "ran"], env=self.environment,
                                stdout=subprocess.PIPE, stderr=write, timeout=PATIENCE)
        os.close(write)
        self.assertEqual((result.returncode, result.stdout), (0, b"ran\n"))

    def test_the_command_gets_the_descriptors_dlock_was_given_and_no_others(self):
        script = "import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))"
        with open(self.directory / "file", "w") as file:
            result = self.dlock("run", "x", "--", sys.executable, "-c", script, pass_fds=[file.fileno()])
            # The directory that is listed is open too, as the lowest that was free.
            kept = {0, 1, 2, file.fileno()}
            lowest_free = min(set(range(5)) - kept)
            self.assertEqual(result.stdout.decode().strip(), str(sorted(kept | {lowest_free})))

    def test_nothing_else_is_opened_in_place_of_closed_standard_streams(self):
        def close_some():
            os.close(0)
            os.close(2)
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; exec sleep 1000", preexec_fn=close_some)
        running.expect("ready")
        for fd in (0, 2):
            self.assertEqual(os.readlink(f"/proc/{running.pid}/fd/{fd}"), "/dev/null")
        running.send(signal.SIGTERM)
        self.assertEqual(running.wait(), 128 + signal.SIGTERM)

    def test_closed_standard_streams_stay_closed(self):
        result = subprocess.run(
            ["sh", "-c", '"$0" run x -- sh -c "ls /proc/self/fd | wc -l >&1" <&- 2>&-', DLOCK],
            env=self.environment, stdout=subprocess.PIPE, timeout=PATIENCE)
        # stdout, and the directory that is listed.
        self.assertEqual((result.returncode, result.stdout.strip()), (0, b"2"))

    def test_the_command_has_default_signals_and_a_group_of_its_own(self):
        # Not by a shell, which clears its signal mask.
        result = self.dlock("run", "x", "--", "grep", "-E", "Sig(Blk|Ign)|Shd", "/proc/self/status")
        self.assertEqual([line.split()[1] for line in result.stdout.splitlines()], [b"0" * 16] * 3)
        result = self.dlock("run", "x", "--", "sh", "-c", "ps -o pgid= -p $$; echo $$")
        self.assertEqual(len(set(result.stdout.split())), 1)

    def test_an_ignored_hangup_does_not_end_the_wait(self):
        holder = self.hold("x")
        waiter = self.start("run", "x", "--", "echo", "ran", preexec_fn=as_nohup)
        self.wait_for_waiters("x", 1)
        waiter.send(signal.SIGHUP)
        holder.close_stdin()
        self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "ran\n"))

    def test_signals_that_were_ignored_stay_ignored(self):
        running = self.start("run", "x", "--", "sh", "-c", "echo ready; read _; grep SigIgn /proc/self/status",
                             preexec_fn=as_nohup)
        running.expect("ready")
        running.send(signal.SIGHUP)
        running.close_stdin()
        self.assertEqual(running.wait(), 0)
        ignored = int(running.stdout.split("SigIgn:")[1], 16)
        self.assertEqual(ignored, 1 << (signal.SIGHUP - 1))

    def test_background_children_are_neither_waited_for_nor_ended(self):
        result = self.dlock("run", "x", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
        child = int(result.stdout)
        os.kill(child, signal.SIGKILL)  # it was alive

    def test_an_ignored_sigchld_does_not_hide_the_status(self):
        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self.assertEqual(self.dlock("run", "x", "--", "sh", "-c", "exit 5", preexec_fn=ignore).returncode, 5)


if __name__ == "__main__":
    unittest.main()
