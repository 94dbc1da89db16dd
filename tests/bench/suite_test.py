"""The benchmark runs, without peers, and writes results of the form that is promised."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
FIELDS = {"server": str, "case": str, "subject": str, "workers": int, "metric": str, "unit": str,
          "median": (int, float), "min": (int, float), "max": (int, float), "rounds": int}


class SuiteCase(unittest.TestCase):
    @classmethod
    def run_suite(cls, *options):
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [sys.executable, SOURCE / "bench/run.py", "--build", BUILD, "--output", directory,
                 "--quick", "--times-only", "--offline", "--rounds", "1", *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
            if done.returncode:
                raise AssertionError(done.stdout)
            cls.output = done.stdout
            cls.rows = json.loads(pathlib.Path(directory, "results.json").read_text())
            cls.about = json.loads(pathlib.Path(directory, "run.json").read_text())
            cls.plots = {path.name: path.read_text() for path in pathlib.Path(directory).glob("*.svg")}

    def values(self, case, metric, *subjects, server="redis"):
        return {row["subject"]: row["median"] for row in self.rows
                if (row["server"], row["case"], row["metric"]) == (server, case, metric)
                and (not subjects or row["subject"] in subjects)}


class Servers(SuiteCase):
    @classmethod
    def setUpClass(cls):
        cls.run_suite("--cases", "A", "--servers", "redis-unix,redis",
                      "--subjects", "floor-publish,floor-tcp")

    def test_who_cannot_connect_to_a_unix_socket_is_left_out_there(self):
        self.assertEqual(set(self.values("A", "p50_us")), {"floor-publish", "floor-tcp"})
        self.assertEqual(set(self.values("A", "p50_us", server="redis-unix")), {"floor-publish"})

    def test_servers_are_shown_side_by_side(self):
        self.assertRegex(self.output, r"redis-unix: p50 us +redis: p50 us")


class Suite(SuiteCase):
    @classmethod
    def setUpClass(cls):
        cls.run_suite("--cases", "A,C", "--servers", "redis", "--subjects", "dlock,floor-*")

    def test_rows_have_the_promised_fields(self):
        self.assertTrue(self.rows)
        for row in self.rows:
            self.assertEqual(list(row), list(FIELDS))
            for field, kind in FIELDS.items():
                self.assertIsInstance(row[field], kind, row)
            self.assertLessEqual(row["min"], row["median"], row)
            self.assertLessEqual(row["median"], row["max"], row)

    def test_dlock_and_the_floors_are_measured(self):
        self.assertEqual(set(self.values("A", "p50_us")),
                         {"dlock", "floor-pair", "floor-grant", "floor-publish", "floor-tcp"},
                         self.output)
        self.assertEqual(set(self.values("C", "handoffs_per_s")),
                         {"dlock", "floor-grant", "floor-blpop"}, self.output)

    def test_it_says_where_threads_ran(self):
        self.assertRegex(self.about["placement"], r"\Athe server's threads on core \d+, the workers' on "
                         r"core \d+")

    def test_times_and_rates_are_positive(self):
        for row in self.rows:
            if row["metric"] in ("p50_us", "p99_us", "gap_p50_us", "handoffs_per_s"):
                self.assertGreater(row["median"], 0, row)

    def test_nobody_breaks_exclusion(self):
        self.assertEqual(set(self.values("C", "violations").values()), {0})

    def test_an_uncontended_pair_is_two_commands_of_all_who_lock(self):
        commands = self.values("A", "commands_per_acquisition", "dlock", "floor-pair")
        self.assertEqual(len(commands), 2)
        for subject, value in commands.items():
            self.assertAlmostEqual(value, 2, delta=0.1, msg=subject)

    def test_what_was_measured_is_drawn_and_printed(self):
        self.assertIn("handoffs.svg", self.plots)
        self.assertTrue(all(text.startswith("<svg") for text in self.plots.values()))
        self.assertIn("hand-offs/s", self.output)
        self.assertIn("A: p50, beside `floor-pair`", self.output)


if __name__ == "__main__":
    unittest.main()
