"""Rounds whose threads ran on another core than they were put on, or whose cores moved apart, are
repeated; and what others did meanwhile is told."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "bench"))

import placement  # noqa: E402
from awake import Awake  # noqa: E402
from context import TRIES, Context  # noqa: E402
from distance import CALIBRATION, IN_ALL, PATIENCE, Distance, between_cores  # noqa: E402
from neighbours import Neighbours  # noqa: E402
from results import Results  # noqa: E402
from server import Server  # noqa: E402


ONE, OTHER = placement.ALLOWED[0], placement.ALLOWED[-1]


class Watching(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.process.communicate)
        placement.pin(self.process.pid, ONE)
        self.echo()
        self.watch = placement.Watch([self.process.pid])

    def echo(self):
        self.process.stdin.write(b"a")
        self.process.stdin.flush()
        self.process.stdout.read(1)

    def test_a_process_that_stays_has_one_core(self):
        self.echo()
        self.assertEqual(self.watch.cores(), {ONE})

    def test_a_process_that_ran_elsewhere_is_seen_though_it_may_not_run_there_any_more(self):
        placement.pin(self.process.pid, OTHER)
        self.echo()
        os.kill(self.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.process.pid, signal.SIGCONT)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        placement.pin(self.process.pid, ONE)  # it does not run there: it stands still
        self.assertEqual(self.watch.cores(), {ONE, OTHER})

    def test_where_a_process_may_run_is_seen_before_it_does(self):
        placement.pin(self.process.pid, OTHER)
        self.assertEqual(self.watch.cores(), {OTHER})


class Cores(unittest.TestCase):
    def test_they_are_asked_to_stay_awake_while_the_file_is_open(self):
        with tempfile.NamedTemporaryFile() as file:
            with Awake(file.name) as awake:
                self.assertEqual(file.read(), bytes(4))  # at most 0 us to wake up
                self.assertEqual(awake.in_words(), "the cores were kept awake")
                self.assertEqual(self.times_open(file.name), 2)
            self.assertEqual(self.times_open(file.name), 1)

    def times_open(self, name):
        own = pathlib.Path("/proc/self/fd")
        return [os.readlink(fd) for fd in own.iterdir() if fd.is_symlink()].count(name)

    def test_where_that_is_not_allowed_the_results_say_so(self):
        with Awake("/nonexistent/latency") as awake:
            self.assertIn("could fall asleep", awake.in_words())


class HowFarApart(unittest.TestCase):
    """The cores of a host that is told when to move them; each look takes a tenth of a second."""

    def setUp(self):
        self.now = 0
        self.moves = {}  # second -> distance from then on
        self.at(0, 50)
        self.distance = Distance(self.measure, lambda: self.now)

    def at(self, second, nanoseconds):
        self.moves[second] = nanoseconds

    def measure(self):
        self.now += 0.1
        return self.moves[max(second for second in self.moves if second <= self.now)]

    def test_near_cores_are_not_waited_for(self):
        self.assertTrue(self.distance.await_near())
        self.assertTrue(self.distance.is_near())
        self.assertLess(self.now, CALIBRATION + 0.5)

    def test_cores_that_come_near_are_waited_for(self):
        self.at(self.now, 310)
        self.assertFalse(self.distance.is_near())
        self.at(self.now + 3, 60)
        self.assertTrue(self.distance.await_near())
        self.assertLess(self.now, CALIBRATION + 4)

    def test_cores_that_stay_far_are_not_waited_for_without_an_end(self):
        self.at(self.now, 310)
        begin = self.now
        self.assertFalse(self.distance.await_near())
        self.assertAlmostEqual(self.now - begin, PATIENCE, delta=1)
        for _ in range(50):
            self.assertFalse(self.distance.await_near())
        self.assertAlmostEqual(self.now - begin, IN_ALL, delta=15)

    def test_cores_that_were_always_far_count_as_near_until_they_were_nearer(self):
        self.at(0, 310)
        distance = Distance(self.measure, lambda: self.now)
        self.assertTrue(distance.await_near())
        self.at(self.now, 50)
        self.assertTrue(distance.await_near())
        self.at(self.now + 0.05, 310)
        self.assertFalse(distance.is_near())
        self.assertIn("50 ns", distance.in_words())

    def test_the_worker_measures_it(self):
        self.assertGreater(between_cores(BUILD / "bench/dlock_bench_worker"), 1)


class Others(unittest.TestCase):
    BURN = "import time\nwhile time.process_time() < 0.2: pass"

    def percent(self, own_ns):
        neighbours = Neighbours()
        with neighbours.watched(own_ns):
            begin = time.monotonic()
            subprocess.run([sys.executable, "-c", self.BURN], check=True)
            took = time.monotonic() - begin
        return neighbours.percent(), 100 * 0.2 / (took * len(placement.ALLOWED))

    def test_what_another_process_used_is_seen(self):
        used, expected = self.percent(lambda: 0)
        self.assertGreater(used, expected / 2)

    def test_what_the_benchmark_used_is_its_own(self):
        self.assertEqual(self.percent(lambda: 100 * time.monotonic_ns())[0], 0)


class Rounds(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        server = Server("redis", placement.SERVER_CPU)
        self.addCleanup(server.close)
        self.results = Results()
        commands = {"worker": [BUILD / "bench/dlock_bench_worker"]}
        wanted = types.SimpleNamespace(build=BUILD, rounds=1, quick=True, times_only=True,
                                       subjects=["floor-pair"])
        self.distance = types.SimpleNamespace(await_near=lambda: True, is_near=lambda: True)
        self.context = Context(server, self.results, commands, self.directory.name, wanted,
                               self.distance)
        self.addCleanup(self.context.close_fleets)

    def measure(self, disturbed):
        """One run, whose server moves during so many tries."""
        fresh_name, tries = self.context.fresh_name, []

        def disturb():
            tries.append(1)
            if len(tries) <= disturbed:
                placement.pin(self.context.server.pid, placement.worker_cpu(placement.PRIMARY))
            return fresh_name()
        self.context.fresh_name = disturb
        self.context.measure("floor-pair", "own", 1, 2, 0.05)
        return len(tries)

    def test_a_round_whose_threads_stayed_counts(self):
        self.assertEqual(self.measure(0), 1)
        self.assertEqual(self.results.strayed, 0)
        self.assertEqual(self.results.cores[placement.SPLIT], {"server": {placement.SERVER_CPU},
                         "workers": {placement.worker_cpu(placement.SPLIT)}})

    def test_a_round_whose_server_moved_is_repeated(self):
        self.assertEqual(self.measure(1), 2)
        self.assertEqual(self.results.strayed, 1)
        self.assertEqual(self.results.notes, [])

    def test_a_round_whose_server_moves_every_time_is_noted(self):
        self.assertEqual(self.measure(99), TRIES)
        self.assertIn("ran on other cores", self.results.notes[0])

    def test_a_round_whose_cores_moved_apart_is_repeated(self):
        looks = iter([False, True])
        self.distance.is_near = lambda: next(looks)
        self.assertEqual(self.measure(0), 2)
        self.assertEqual((self.results.parted, self.results.far), (1, 0))
        self.assertEqual(self.results.notes, [])

    def test_a_round_whose_cores_were_not_near_counts_and_is_counted(self):
        self.distance.await_near = self.distance.is_near = lambda: False
        self.assertEqual(self.measure(0), 1)
        self.assertEqual((self.results.parted, self.results.far), (0, 1))
        self.assertIn("not near: 1", self.results.placement())


if __name__ == "__main__":
    if len(placement.ALLOWED) < 2:
        print("skipped: there is one core only")
        sys.exit(77)
    unittest.main()
