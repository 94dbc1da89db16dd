"""Processes that try to outlive the lock: with no mark on them, faster than a look, seemingly ended."""

import os
import pathlib
import signal
import subprocess
import unittest

from cli_case import CliCase, adopt_orphans, children, eventually, guard_of, is_alive, state

WORKER = 'echo $$ >"$OUT"; while :; do sleep 0.05; done'
# Nothing tells by looking at these that they are the command's: no group, no session, no
# environment, and of the last no parent.
UNMARKED = {
    "a session": """setsid env -i OUT="$OUT" sh -c "$WORKER" & wait""",
    "a group": """set -m; env -i OUT="$OUT" sh -c "$WORKER" & wait""",
    "a daemon": """(setsid env -i OUT="$OUT" sh -c "$WORKER" >/dev/null 2>&1 </dev/null &); sleep 1000""",
}
# Starts another of itself and ends, again and again, for at most 45 s; "far": in a new session.
# Holds stdout open, so that the end of all is the end of file there.
CHAIN = r"""
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int count, char** words) {
  struct timespec now, pause = {0, 300000};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const time_t end = now.tv_sec + 45;
  signal(SIGTERM, SIG_IGN);
  const int far = count > 1 && strcmp(words[1], "far") == 0;
  if (write(1, "ready\n", 6) != 6) return 1;
  while (now.tv_sec < end) {
    if (fork() > 0) _exit(0);
    if (far) setsid();
    nanosleep(&pause, 0);
    clock_gettime(CLOCK_MONOTONIC, &now);
  }
}
"""
# Its first thread ends, another works on.
HEADLESS = r"""
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static void* work(void* unused) {
  for (;;) pause();
  return unused;
}
int main(void) {
  pthread_t thread;
  signal(SIGTERM, SIG_IGN);
  setsid();
  pthread_create(&thread, NULL, work, NULL);
  printf("headless %d\n", (int)getpid());
  fflush(stdout);
  pthread_exit(NULL);
}
"""


class EscapeCase(CliCase):
    def setUp(self):
        super().setUp()
        self.out = self.directory / "worker"
        self.environment.update(OUT=str(self.out), WORKER=WORKER)

    def compile(self, source):
        program = self.directory / "program"
        subprocess.run(["cc", "-pthread", "-x", "c", "-o", program, "-"], input=source.encode(), check=True)
        return str(program)

    def worker(self):
        """The number of the worker, once it runs; it is killed after the test."""
        self.assertTrue(eventually(lambda: self.out.exists() and self.out.read_text().endswith("\n")))
        pid = int(self.out.read_text())
        self.addCleanup(lambda: is_alive(pid) and os.kill(pid, signal.SIGKILL))
        return pid


class KilledDlock(EscapeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        adopt_orphans()

    def setUp(self):
        super().setUp()
        self.leaves_keys = True  # the registration of who was killed

    @staticmethod
    def wait_for_look(guard):
        """Waits until the guard has looked at the processes from now on: each time it goes to sleep."""
        def sleeps():
            text = pathlib.Path(f"/proc/{guard}/status").read_text()
            return int(text.split("voluntary_ctxt_switches:")[1].split()[0])
        begin = sleeps()
        assert eventually(lambda: sleeps() >= begin + 2)

    def run_unmarked(self, script, *options):
        self.out.unlink(missing_ok=True)
        running = self.start("run", "--ttl", "1h", *options, "x", "--", "bash", "-c", script)
        return running, guard_of(running.pid)

    def stop(self, pid):
        os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: state(pid) == "T"))

    def is_held(self):
        return b"x" in self.keys()

    def test_what_the_guard_saw_ends_although_nothing_marks_it_before_the_next_holder(self):
        for name, script in UNMARKED.items():
            with self.subTest(name):
                running, guard = self.run_unmarked(script)
                worker = self.worker()
                self.wait_for_look(guard)
                running.send(signal.SIGKILL)
                result = self.dlock("run", "x", "--", "sh", "-c", f"grep -s 'State:.[^Z]' /proc/{worker}/status")
                self.assertEqual(result.stdout, b"")
                running.wait()

    def test_what_a_process_that_the_guard_saw_starts_later_ends_too(self):
        running, guard = self.run_unmarked("""setsid env -i OUT="$OUT" WORKER="$WORKER" bash -c '
            trap "setsid sh -c \\"\\$WORKER\\" & wait" USR1; echo "outer $$"; while :; do sleep 0.05; done' & wait""")
        outer = int(running.word_after("outer"))
        self.wait_for_look(guard)
        self.stop(guard)
        os.kill(outer, signal.SIGUSR1)
        worker = self.worker()
        running.send(signal.SIGKILL)
        os.kill(guard, signal.SIGCONT)
        self.assert_gone(worker, outer, guard)
        self.assertFalse(self.is_held())

    def test_while_there_may_be_one_that_the_guard_did_not_see_the_lock_runs_out(self):
        # The guard is stopped before the worker begins.
        running, guard = self.run_unmarked("echo ready; read _; " + UNMARKED["a daemon"])
        running.expect("ready")
        self.stop(guard)
        running.process.stdin.write(b"\n")
        running.process.stdin.flush()
        worker = self.worker()
        self.assertTrue(eventually(lambda: worker in children(running.pid)))  # its parents are gone
        running.send(signal.SIGKILL)
        running.process.wait()  # or the guard may look once more
        os.kill(guard, signal.SIGCONT)
        self.assert_gone(guard)
        self.assertTrue(is_alive(worker))
        self.assertTrue(self.is_held())
        self.assertEqual(self.dlock("run", "-n", "x", "--", "true").returncode, 75)

    def test_orphans_of_others_do_not_keep_the_lock(self):
        # Adopted by this process too, while the guard is stopped: one is in an older group, one was
        # there before the command.
        old = self.start_program("sh", "-c", "setsid sleep 1000 & echo pid $!")
        old_pid = int(old.word_after("pid"))
        running, guard = self.run_unmarked(UNMARKED["a session"])
        worker = self.worker()
        self.wait_for_look(guard)
        self.wait_for_look(guard)
        self.stop(guard)
        running.send(signal.SIGKILL)
        young = self.start_program("sh", "-c", "sleep 1000 & echo pid $!")
        young_pid = int(young.word_after("pid"))
        os.kill(guard, signal.SIGCONT)
        self.assert_gone(worker, guard)
        self.assertFalse(self.is_held())
        for pid in (old_pid, young_pid):
            self.assertTrue(is_alive(pid))
            os.kill(pid, signal.SIGKILL)


class Fast(EscapeCase):
    def test_what_starts_another_and_ends_again_and_again_is_caught(self):
        program = self.compile(CHAIN)
        for where in ("near", "far"):
            with self.subTest(where):
                running = self.start("run", "--kill-after", "300ms", "x", "--", "sh", "-c",
                                     f"'{program}' {where}; while :; do sleep 0.05; done")
                running.expect("ready")
                running.send(signal.SIGTERM)
                self.assertEqual(running.wait(), 128 + signal.SIGTERM)  # and the end of the output
                self.assertNotIn("does not end", running.stderr)

    def test_the_guard_catches_it_too(self):
        program = self.compile(CHAIN)
        for where in ("near", "far"):
            with self.subTest(where):
                running = self.start("run", "--ttl", "600ms", "x", "--", "sh", "-c",
                                     f"'{program}' {where}; while :; do sleep 0.05; done")
                running.expect("ready")
                running.send(signal.SIGSTOP)
                guard = guard_of(running.pid)
                self.assertTrue(eventually(lambda: self.has_no_descendant(running.pid, guard), 30))
                running.send(signal.SIGCONT)
                self.assertEqual(running.wait(), 73)

    @staticmethod
    def has_no_descendant(dlock, guard):
        """But its guard. Of a dlock that is stopped: it collects none and has adopted all."""
        before = children(dlock)
        all_ended = not any(is_alive(pid) for pid in before if pid != guard)
        return all_ended and set(children(dlock)) == set(before)


class Headless(EscapeCase):
    def test_a_process_whose_first_thread_has_ended_has_not_ended(self):
        program = self.compile(HEADLESS)
        running = self.start("run", "--kill-after", "300ms", "x", "--", "sh", "-c", f"'{program}' & wait")
        pid = int(running.word_after("headless"))
        self.assertTrue(eventually(lambda: state(pid) == "Z"))
        running.send(signal.SIGTERM)
        self.addCleanup(lambda: is_alive(pid) and os.kill(pid, signal.SIGKILL))
        self.assertEqual(running.wait(), 128 + signal.SIGTERM)  # and the end of the output


if __name__ == "__main__":
    unittest.main()
