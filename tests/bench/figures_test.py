"""How figures are computed from samples: on made-up ones, where the answer is known."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["DLOCK_SOURCE_DIR"]) / "bench"))

import aims  # noqa: E402
from commands import count_flights  # noqa: E402
from results import Results, unit_of  # noqa: E402
from samples import Contention, Sample, percentile  # noqa: E402
from subjects import commands_sent  # noqa: E402
import table  # noqa: E402


def sample(worker, acquired, releasing, asked=0):
    return Sample((worker, 0), asked, acquired, releasing, releasing)


class Figures(unittest.TestCase):
    def test_a_worker_that_takes_the_lock_again_is_no_hand_off(self):
        seen = Contention([sample(1, 10, 20), sample(1, 30, 40), sample(2, 45, 50)], 0, 10**9, 2)
        self.assertEqual(seen.acquisitions_per_s, 3)
        self.assertEqual(seen.handoffs_per_s, 1)
        self.assertEqual(seen.gaps_us, [0.005])

    def test_fairness_is_the_fewest_by_the_most(self):
        seen = Contention([sample(1, 10, 20), sample(2, 30, 40), sample(1, 50, 60)], 0, 100, 2)
        self.assertEqual(seen.fairness, 0.5)

    def test_fairness_is_nothing_when_somebody_got_nothing(self):
        self.assertEqual(Contention([sample(1, 10, 20)], 0, 100, 2).fairness, 0)

    def test_two_owners_at_once_are_a_violation(self):
        seen = Contention([sample(1, 10, 30), sample(2, 20, 40), sample(1, 40, 50)], 0, 100, 2)
        self.assertEqual(seen.violations, 1)

    def test_what_comes_after_the_window_does_not_count(self):
        seen = Contention([sample(1, 10, 20), sample(2, 150, 160)], 0, 100, 2)
        self.assertEqual(seen.handoffs_per_s, 0)
        self.assertEqual(seen.total, 2)

    def test_percentiles(self):
        self.assertEqual(percentile(range(1, 101), 50), 51)
        self.assertEqual(percentile(range(1, 101), 99), 100)
        self.assertEqual(percentile([7], 99), 7)

    def test_what_scripts_call_is_not_counted_as_sent(self):
        after = {"evalsha": (10, 90), "set": (10, 30), "get": (5, 5), "ping": (1, 1)}
        self.assertEqual(commands_sent("dlock", {}, after), (11, 91))
        self.assertEqual(commands_sent("redis-py", {"set": (4, 10)}, after), (17, 111))
        after = {"multi": (10, 5), "set": (10, 30), "incr": (10, 10), "exec": (10, 60)}
        self.assertEqual(commands_sent("dlock", {}, after), (10, 65))

    def test_the_median_of_the_rounds_is_the_result(self):
        results = Results()
        for value in (3, 1, 2):
            results.add("A", "dlock", 1, p50_us=value)
        self.assertEqual(results.rows(), [{"server": "redis", "case": "A", "subject": "dlock",
                                           "workers": 1, "metric": "p50_us", "unit": "us", "median": 2,
                                           "min": 1, "max": 3, "rounds": 3}])

    def test_tables_show_the_spread_of_the_rounds_and_the_best_first(self):
        results = Results()
        for server, fast in (("redis", 1), ("valkey", 10)):
            results.server = server
            for value in (3, 1, 2):
                results.add("B", "dlock", 8, pairs_per_s=value * fast)
            results.add("B", "redis-py", 8, pairs_per_s=9, client_cpu_us_per_acquisition=5)
        rows = results.rows()
        self.assertEqual(list(table.tables_of("B", table.on("redis", rows))), [
            (8, ["", "pairs/s", "rounds", "client us"],
             [["redis-py", "9", "9 to 9", "5"], ["dlock", "2", "1 to 3", "-"]])])
        self.assertEqual(list(table.comparisons_of("B", rows)), [
            (8, ["", "redis: pairs/s", "valkey: pairs/s"],
             [["redis-py", "9", "9"], ["dlock", "2 (1 to 3)", "20 (10 to 30)"]])])

    def test_aims_are_of_the_slowest_round_and_the_best_peer(self):
        results = Results()
        for subject, values in (("dlock", (130, 150)), ("redis-py", (90, 100, 110)), ("redsync", (50,))):
            for value in values:
                results.add("B", subject, 8, pairs_per_s=value)
        self.assertEqual(aims.table_of(results.rows())[2], [
            ["B: `dlock`, 8 workers: slowest round, beside the best peer", "at least 1.2", "1.3", "yes"]])
        results.add("B", "floor-pair", 8, pairs_per_s=125)  # 1.2 times the peer is out of reach
        self.assertEqual(aims.table_of(results.rows())[2], [
            ["B: `dlock`, 8 workers: slowest round, beside the better floor", "at least 0.95", "1.04",
             "yes"]])
        results.add("B", "dlock", 8, pairs_per_s=100)
        self.assertEqual(aims.table_of(results.rows())[2][0][2:], ["0.8", "**no**"])

    def test_units(self):
        for metric, unit in (("p50_us", "us"), ("pairs_per_s", "1/s"), ("fairness", "1"),
                             ("server_cpu_us_per_acquisition", "us"), ("drain_ms", "ms"),
                             ("client_bytes_per_lease", "bytes")):
            self.assertEqual(unit_of(metric), unit, metric)

    def test_a_flight_is_all_that_is_sent_before_an_answer_is_read(self):
        log = ['10 execve("dlock", ...) = 0',
               '10 connect(3, {sa_family=AF_INET, sin_port=htons(6379)}, 16) = -1 EINPROGRESS (...)',
               '10 sendto(3, "HELLO", 5, 0, NULL, 0) = 5', '10 write(3, "X", 1) = 1',
               '10 recvfrom(3, 0x0, 10, 0, NULL, NULL) = -1 EAGAIN (...)',
               '10 recvfrom(3, "a", 10, 0, NULL, NULL) = 1', '10 read(3, "b", 10) = 1',
               '10 write(4, "to a file", 9) = 9', '10 write(3, "Y", 1) = 1', '10 read(3, "c", 10) = 1',
               '11 execve("true", ...) = 0', '10 write(3, "Z", 1) = 1', '10 read(3, "d", 10) = 1']
        self.assertEqual(count_flights(log), 2)


if __name__ == "__main__":
    unittest.main()
