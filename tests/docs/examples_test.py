"""The examples do what they say, those about several programs with several at once."""

import os
import pathlib
import re
import signal
import sqlite3
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
sys.path[:0] = [str(SOURCE / "tests/docs"), str(SOURCE / "tests/cli")]

import markdown  # noqa: E402
from cli_case import DLOCK, PATIENCE, CliCase, eventually  # noqa: E402

CACHE = (BUILD / "CMakeCache.txt").read_text()
SANITIZED = re.search(r"^DLOCK_SANITIZE:\w+=\S", CACHE, re.MULTILINE)
PYTHON = re.search(r"^DLOCK_DEPS_DIR:\w+=(.*)$", CACHE, re.MULTILINE)[1] + "/python/bin/python"

# Those that are run elsewhere: by the snippets of a document, or by a test of their own.
ELSEWHERE = {
    "fenced_resource.cpp": "docs/guarantees.md",
    "job_queue.cpp": "docs/guarantees.md",
    "leader.cpp": "docs/guarantees.md",
    "nightly_report.cpp": "docs/operations.md",
    "parallel_phases.cpp": "docs/guarantees.md",
    "plain_c.c": "tests/c/interface_test.py",
    "protocol_client.py": "tests/interop/protocol_client_test.py",
    "shared_document.cpp": "docs/guarantees.md",
    "transfer.cpp": "docs/guarantees.md",
}


class Examples(CliCase):
    def setUp(self):
        super().setUp()
        path = os.pathsep.join([os.path.dirname(DLOCK), str(SOURCE / "examples"),
                                os.environ["PATH"]])
        self.environment |= {"PATH": path, "PYTHONPATH": str(BUILD / "python/site")}

    def example(self, name, *arguments):
        return self.start_program(BUILD / "examples" / name, *map(str, arguments),
                                  cwd=self.directory)

    def example_to(self, out, name, *arguments):
        """The same, with its output at the end of a file that it shares with others."""
        return self.start_program("sh", "-c", f'exec "$0" "$@" >> {out}', BUILD / "examples" / name,
                                  *map(str, arguments), cwd=self.directory)

    def outputs(self, running):
        """Waits until all have ended well; returns the lines they printed."""
        for each in running:
            self.assertEqual(each.wait(), 0, each.stderr)
        return [line for each in running for line in each.stdout.splitlines()]

    def kill(self, running):
        self.leaves_keys = True  # the registration of the dead
        running.send(signal.SIGKILL)

    def wait_for_queue(self, name):
        queue = "dlock1:qw:{%s}" % name
        self.assertTrue(eventually(lambda: self.server.command("ZCARD", queue), PATIENCE))

    def test_all_are_run_and_listed(self):
        examples = {path.name for path in (SOURCE / "examples").glob("*.[cps]*")}
        for name in examples:
            with self.subTest(name):
                text = (SOURCE / ELSEWHERE.get(name, "tests/docs/examples_test.py")).read_text()
                self.assertRegex(text, rf"\b{name.partition('.')[0]}\b")
        self.assertEqual(examples - set(markdown.document("examples/README.md").links), set())

    def test_register_user_prints_whole_turns(self):
        out = self.directory / "out"
        self.outputs([self.example_to(out, "register_user", 1) for _ in range(6)])
        lines = out.read_text().splitlines()
        self.assertEqual(len(lines), 6)
        for line in lines:
            self.assertRegex(line, r"^abcd   C\+\+    process \d+  waited \d+ ms  fence \d+$")

    def test_sign_up_registers_each_user_once(self):
        lines = self.outputs([self.example("sign_up", user) for user in ("ann", "bob") * 4])
        self.assertEqual(sorted(lines), sorted(
            f"{user} is registered {when}" for user in ("ann", "bob")
            for when in ("now", "already", "already", "already")))
        users = (self.directory / "users").read_text().splitlines()
        self.assertEqual(sorted(users), ["ann", "bob"])

    def test_nightly_cron_is_run_by_one_of_many_hosts(self):
        self.leaves_keys = True  # it keeps others out for five minutes
        script = SOURCE / "examples" / "nightly_cron.sh"
        lines = self.outputs([self.start_program(script, self.directory) for _ in range(6)])
        report, = self.directory.iterdir()
        self.assertEqual(lines, [f"written: {report}"])
        self.assertIn("Filesystem", report.read_text())

    def test_gpu_job_runs_four_at_a_time(self):
        places = {f"job-{number}": number % 3 + 1 for number in range(9)}
        out = self.directory / "out"
        self.outputs([self.example_to(out, "gpu_job", *job) for job in places.items()])
        busy, most = 0, 0
        for line in out.read_text().splitlines():
            name, _, what = line.partition(": ")
            busy += -places[name] if what == "done" else places[name]
            most = max(most, busy)
        self.assertEqual(busy, 0)
        self.assertIn(most, (3, 4))

    def test_elected_worker_is_followed_by_the_next_when_it_dies(self):
        out = self.directory / "out"
        first = self.example_to(out, "elected_worker", "host-1", 100_000)
        self.assertTrue(eventually(lambda: out.exists() and "works" in out.read_text(), PATIENCE))
        others = [self.example_to(out, "elected_worker", f"host-{n}", 5) for n in (2, 3)]
        self.wait_for_queue("worker")
        self.kill(first)
        self.outputs(others)
        lines = [line.split(" works in term ") for line in out.read_text().splitlines()]
        terms = [int(term) for _, term in lines]
        self.assertEqual(terms, sorted(terms))
        turns = {term: [host for host, of in lines if int(of) == term] for term in terms}
        self.assertEqual(sorted(list(turns.values())[1:]), [["host-2"] * 5, ["host-3"] * 5])

    def test_task_worker_does_each_task_once_and_that_of_the_dead(self):
        for name in ("todo", "done"):
            (self.directory / name).mkdir()
        tasks = {f"task-{number}": number for number in range(20)}
        for name, number in tasks.items():
            (self.directory / "todo" / name).write_text("word " * number)
        dead = self.example("task_worker", ".", 1_000_000)
        lost = dead.word_after("doing")
        living = [self.example("task_worker", ".", 1) for _ in range(3)]
        self.wait_for_queue(f"task:{lost}")
        self.kill(dead)
        self.assertEqual(sorted(self.outputs(living)), sorted(f"doing {task}" for task in tasks))
        results = {path.name: path.read_text() for path in (self.directory / "done").iterdir()}
        self.assertEqual(results, {name: f"{number} words\n" for name, number in tasks.items()})
        self.assertEqual(list((self.directory / "todo").iterdir()), [])

    def migrate(self, *arguments):
        return self.start_program(PYTHON, SOURCE / "examples" / "migrate.py", "users.db",
                                  *map(str, arguments), cwd=self.directory)

    def migrated(self):
        with sqlite3.connect(self.directory / "users.db") as database:
            version, = database.execute("SELECT version FROM migrated").fetchone()
            return version, database.execute("SELECT name, mail FROM user").fetchall()

    @unittest.skipIf(SANITIZED, "the Python package is not built with sanitizers")
    def test_migrate_is_done_once_by_many(self):
        lines = self.outputs([self.migrate(0.01) for _ in range(4)])
        self.assertEqual(lines, [f"migration {number} is done" for number in (1, 2, 3, 4)])
        self.assertEqual(self.migrated(), (4, [("admin", "admin@example.com")]))

    @unittest.skipIf(SANITIZED, "the Python package is not built with sanitizers")
    def test_migrate_refuses_a_holder_that_was_stopped_and_goes_on(self):
        late = self.migrate(1, 0.5)
        late.expect("migration 1 is done")
        late.send(signal.SIGSTOP)
        self.assertEqual(self.outputs([self.migrate(0)]),
                         [f"migration {number} is done" for number in (2, 3, 4)])
        late.send(signal.SIGCONT)
        self.assertEqual(late.wait(), 1)
        self.assertEqual(late.stdout, "migration 1 is done\n")
        self.assertRegex(late.stderr, r"a later holder than that with fence \d+ is at work")
        self.assertEqual(self.migrated(), (4, [("admin", "admin@example.com")]))

    def test_coroutines_take_turns(self):
        self.leaves_keys = True  # a registration, if main() ends before the last coroutine's frame
        self.assertEqual(self.outputs([self.example("coroutines")]),
                         ["100 tasks had the lock, one after another"])


if __name__ == "__main__":
    unittest.main()
