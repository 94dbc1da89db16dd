"""dlock run -s, -x, --permits: who is inside together, and what ls, info and break say of them."""

import json
import re
import signal
import unittest

from cli_case import CliCase


class Kinds(CliCase):
    def info(self, name):
        result = self.dlock("info", "--json", name)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return json.loads(result.stdout)

    def release(self, *holders):
        for holder in holders:
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)

    def assert_busy(self, *options, name="x"):
        self.assertEqual(self.dlock("run", "-n", *options, name, "--", "true").returncode, 75)

    def assert_free(self, *options, name="x"):
        result = self.dlock("run", "-n", *options, name, "--", "true")
        self.assertEqual(result.returncode, 0, result)

    def test_another_number_of_permits_is_an_error_that_names_both(self):
        holder = self.hold("gpu", "--permits", "3")
        result = self.dlock("run", "--permits", "4", "gpu", "--", "true")
        self.assertEqual(result.returncode, 64)
        self.assertRegex(self.assert_one_message(result.stderr), r"3 permits, this client says 4")
        self.release(holder)

    def test_a_mutex_and_a_semaphore_of_one_name_are_an_error(self):
        holder = self.hold("x")
        for options in (["-s"], ["--permits", "2"]):
            result = self.dlock("run", *options, "x", "--", "true")
            self.assertEqual(result.returncode, 69)
            self.assertRegex(self.assert_one_message(result.stderr), "Mutex.*SharedMutex or Semaphore")
        self.release(holder)

    def test_options_that_exclude_each_other_are_refused(self):
        for options in (["-s", "-x"], ["-s", "--permits", "2"], ["-x", "--permits", "2"],
                        ["--weight", "2"], ["--permits", "0"], ["--permits", "2", "--weight", "3"],
                        ["--permits", "two"], ["--permits", "1073741824"]):
            with self.subTest(options):
                result = self.dlock("run", *options, "x", "--", "true")
                self.assertEqual(result.returncode, 64)
                self.assert_one_message(result.stderr)

    def test_info_shows_all_holders_with_their_weights(self):
        holders = [self.hold("gpu", "--permits", "4", "--label", "first"),
                   self.hold("gpu", "--permits", "4", "--weight", "2", "--label", "second")]
        waiter = self.start("run", "--permits", "4", "--weight", "3", "gpu", "--", "true")
        self.wait_for_waiters("gpu", 1)
        info = self.info("gpu")
        self.assertEqual((info["kind"], info["permits"], info["used"]), ("semaphore", 4, 3))
        self.assertEqual([(h["label"], h["weight"], h["pid"], h["role"]) for h in info["holders"]],
                         [("first", 1, holders[0].pid, None), ("second", 2, holders[1].pid, None)])
        self.assertEqual(info["fence"], info["holders"][0]["fence"])
        self.assertLess(int(info["fence"]), int(info["holders"][1]["fence"]))
        self.assertTrue(0 < info["ttl_left_ms"] <= 30000)
        self.assertEqual(info["waiters"][0]["weight"], 3)
        text = self.dlock("info", "gpu").stdout.decode()
        self.assertRegex(text, r"\Agpu: a semaphore, held: 3 of 4 permits\n  holding   2\n"
                               r" +\S+ dlock \(first\) +weight 1, fence \d+, held for .+, ttl left .+\n"
                               r" +\S+ dlock \(second\) +weight 2, fence .+\n  waiting   1\n")
        lines = self.dlock("ls").stdout.decode().splitlines()
        self.assertRegex(lines[1], r"\Agpu +3 of 4 permits +- +")
        self.release(*holders)
        self.assertEqual(waiter.wait(), 0)

    def test_info_tells_readers_from_writers(self):
        readers = [self.hold("x", "-s"), self.hold("x", "-s")]
        info = self.info("x")
        self.assertEqual((info["kind"], [h["role"] for h in info["holders"]]),
                         ("shared_mutex", ["reader"] * 2))
        self.assertRegex(self.dlock("info", "x").stdout.decode(),
                         r"\Ax: a reader-writer lock, held: 2 readers\n")
        self.release(*readers)
        writer = self.hold("x", "-x")
        self.assertEqual(self.info("x")["holders"][0]["role"], "writer")
        self.assertRegex(self.dlock("ls").stdout.decode(), r"\nx +\S+ dlock \(sh\), a writer +\d+ ")
        self.release(writer)

    def test_ls_lists_all_kinds_and_nothing_else(self):
        self.leaves_keys = True
        self.server.command("ZADD", "theirs", "1", "member")
        holders = [self.hold("a"), self.hold("b", "-s"), self.hold("c", "--permits", "2")]
        waiter = self.start("run", "-x", "b", "--", "true")
        self.wait_for_waiters("b", 1)
        result = self.dlock("ls", "--json")
        locks = json.loads(result.stdout)
        self.assertEqual([(lock["name"], lock["kind"]) for lock in locks],
                         [("a", "mutex"), ("b", "shared_mutex"), ("c", "semaphore")])
        self.release(*holders)
        self.assertEqual(waiter.wait(), 0)

    def test_break_takes_permits_from_the_holder_with_that_fence_alone(self):
        keeps, loses = self.hold("gpu", "--permits", "2"), self.hold("gpu", "--permits", "2")
        fence = self.info("gpu")["holders"][1]["fence"]
        self.assertEqual(self.dlock("break", "gpu", "--fence", "64").returncode, 75)
        result = self.dlock("break", "gpu", "--fence", fence)
        self.assertEqual(result.returncode, 0, result)
        self.assertEqual(loses.wait(), 73)
        self.assertEqual([h["pid"] for h in self.info("gpu")["holders"]], [keeps.pid])
        self.assertEqual(self.dlock("break", "gpu", "--fence", fence).returncode, 75)
        self.release(keeps)

    def test_break_of_a_holder_that_does_not_answer_goes_by_the_record(self):
        holder = self.hold("gpu", "--permits", "2")
        fence = self.info("gpu")["fence"]
        holder.send(signal.SIGSTOP)
        self.assertEqual(self.dlock("break", "gpu", "--fence", fence).returncode, 0)
        self.assertFalse(self.info("gpu")["held"])
        holder.send(signal.SIGCONT)
        self.assertEqual(holder.wait(), 73)

    def test_verbose_tells_who_is_waited_for(self):
        holders = [self.hold("gpu", "--permits", "2"), self.hold("gpu", "--permits", "2")]
        waiter = self.start("run", "-v", "--permits", "2", "gpu", "--", "true")
        waiter.expect_error("waiting for 'gpu', held by 2 of 2 permits")
        self.release(*holders)
        self.assertEqual(waiter.wait(), 0)
        self.assertTrue(re.search("obtained 'gpu'", waiter.stderr))


if __name__ == "__main__":
    unittest.main()
