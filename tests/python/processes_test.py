"""The Python package in many processes: exclusion, Ctrl-C, forks, and the end of a program."""

import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from package_case import LONG, SOURCE, PackageCase, eventually

sys.path.insert(0, str(SOURCE / "tests/docs"))

import markdown  # noqa: E402

from distributed_lock import Mutex  # noqa: E402

HEAD = """
import os, signal, sys, threading, time
from distributed_lock import *
"""


class ProgramCase(PackageCase):
    def start(self, program, *arguments):
        return super().start(HEAD + program, *arguments)


class Processes(ProgramCase):
    def test_the_example_run_by_many_prints_whole_turns(self):
        example = next(block.text for block in markdown.document("README.md").blocks
                       if block.language == "python")
        runner = pathlib.Path(__file__).with_name("run_on_port.py")
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory, "example.py")
            program.write_text(example)
            out = pathlib.Path(directory, "out")
            with open(out, "a") as appended:
                command = [sys.executable, "-u", runner, str(self.server.port), program]
                running = [subprocess.Popen(command, stdout=appended) for _ in range(6)]
            self.assertEqual([process.wait(LONG) for process in running], [0] * 6)
            self.assertEqual("".join(out.read_text().split()), "abcd" * 6)

    def test_what_is_held_at_the_end_of_a_program_is_released(self):
        self.assert_ends(self.start("DistributedLock(lock_name='job').acquire()"))
        self.assertEqual(self.assert_ends(self.start(
            "lock = DistributedLock(lock_name='job'); lock.acquire()\n"
            "lock.lost.add_callback(print)")), ("", ""))
        self.assert_ends(self.start("lease = Mutex(lock_name='job').acquire(); raise SystemExit(3)"),
                         3)
        self.assert_ends(self.start("lease = Mutex(lock_name='job').acquire()\n"
                                    "keep = lambda lease: time.sleep(1000)\n"
                                    "threading.Thread(target=keep, args=[lease], daemon=True).start()"))
        self.assertFalse(self.redis.exists("job"))


class Signals(ProgramCase):
    def wait_and_signal(self, program, number):
        with Mutex(self.redis, "job").acquire():
            process = self.start(program)
            self.assertTrue(eventually(lambda: self.waiters("job")))
            process.send_signal(number)
            out, err = process.communicate(timeout=LONG)
            self.assertTrue(eventually(lambda: not self.waiters("job")))
        return process.returncode, out, err

    def test_ctrl_c_ends_a_wait(self):
        status, _, err = self.wait_and_signal("DistributedLock(lock_name='job').acquire()",
                                              signal.SIGINT)
        self.assertEqual(status, -signal.SIGINT)
        self.assertRegex(err, "KeyboardInterrupt")

    def test_ctrl_c_ends_a_wait_with_a_time_limit_and_the_program_goes_on(self):
        status, out, err = self.wait_and_signal("""
lock = DistributedLock(lock_name='job', wait=60)
try:
    with lock: print("held")
except KeyboardInterrupt:
    print("interrupted", lock.held)
""", signal.SIGINT)
        self.assertEqual((status, out), (0, "interrupted False\n"), err)

    def test_ctrl_c_ends_a_wait_for_a_loss(self):
        process = self.start("lease = Mutex(lock_name='job').acquire()\n"
                             "print('held', flush=True); lease.lost.wait()")
        self.assertEqual(process.stdout.readline(), "held\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONG)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertFalse(self.redis.exists("job"))

    def interrupt_unanswered(self, call):
        """What a program prints whose call is interrupted while the server hangs, and that another
        thread's timeout has passed."""
        process = self.start(f"""
def say(what): os.write(1, what)
def wait_for_the_timeout():
    try: Mutex(lock_name='other').try_acquire()
    except Unreachable: say(b"timeout\\n")
threading.Thread(target=wait_for_the_timeout).start()
try:
    say(b"begin\\n")
    {call}
except KeyboardInterrupt:
    say(b"interrupted\\n")
""")
        self.assertEqual(process.stdout.readline(), "begin\n")
        stat = pathlib.Path(f"/proc/{process.pid}/stat")
        self.assertTrue(eventually(lambda: ") S " in stat.read_text()))
        process.send_signal(signal.SIGINT)
        return self.assert_ends(process)[0].splitlines()

    def test_ctrl_c_ends_a_wait_for_a_server_that_hangs(self):
        self.server.stop()
        for call in ("Mutex(lock_name='job').acquire()", "Election(lock_name='job').campaign()"):
            with self.subTest(call):
                self.assertEqual(self.interrupt_unanswered(call), ["interrupted", "timeout"])

    def test_ctrl_c_that_comes_with_an_error_is_not_lost(self):
        self.server.stop()
        self.assertIn("interrupted", self.interrupt_unanswered("begin_once(None, 'job')"))

    def test_a_handler_runs_and_the_wait_goes_on(self):
        with Mutex(self.redis, "job").acquire():
            process = self.start("""
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
with DistributedLock(lock_name='job'): print("held")
""")
            self.assertTrue(eventually(lambda: self.waiters("job")))
            process.send_signal(signal.SIGUSR1)
            self.assertEqual(process.stdout.readline(), "handled\n")
        self.assertEqual(self.assert_ends(process)[0], "held\n")


class Forks(ProgramCase):
    def test_a_child_holds_nothing_says_so_and_can_lock_anew(self):
        out, _ = self.assert_ends(self.start("""
lock = DistributedLock(lock_name="job")
other = DistributedLock(lock_name="other")
lock.acquire()
if (child := os.fork()) == 0:
    print("child holds", lock.held)
    for call in (lock.ensure_held, lock.release):
        try: call()
        except Forked as error: print("told")
    print("child gets it", lock.acquire(blocking=False))
    with other: print("child gets other", other.held)
    sys.exit(0)
os.waitpid(child, 0)
lock.ensure_held()
print("parent holds", lock.held)
lock.release()
with lock: print("again")
"""))
        self.assertEqual(out.splitlines()[-2:], ["parent holds True", "again"])
        for line in ("child holds False", "told", "child gets it False", "child gets other True"):
            self.assertIn(line, out.splitlines())
        self.assertFalse(self.redis.exists("job"))

    def test_a_child_that_a_callback_of_a_loss_forked_locks_and_ends(self):
        out, _ = self.assert_ends(self.start("""
lease = Mutex(lock_name="job", lock_ttl=0.1, renew=False).acquire()
lease.lost.wait()
children = []
lease.lost.add_callback(lambda: children.append(os.fork()))  # is called here and now
if children == [0]:
    with DistributedLock(lock_name="child"): sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""))
        self.assertEqual(out, "7\n")

    def test_processes_of_multiprocessing_exclude_each_other(self):
        out, _ = self.assert_ends(self.start("""
import multiprocessing
lock = DistributedLock(lock_name="job")
def work():
    with lock:
        for c in "abcd": print(c, end="", flush=True)
with lock: pass
context = multiprocessing.get_context("fork")
running = [context.Process(target=work) for _ in range(4)]
for process in running: process.start()
for process in running: process.join()
"""))
        self.assertEqual(out, "abcd" * 4)


if __name__ == "__main__":
    unittest.main()
