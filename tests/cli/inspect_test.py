"""dlock ls, info and break: what they show, as tables and as JSON, and whom break takes the lock from."""

import json
import socket
import subprocess
import unittest

from cli_case import CliCase, DLOCK, PATIENCE

HOST = socket.gethostname()


class Inspect(CliCase):
    def info(self, name, *options):
        result = self.dlock("info", "--json", *options, name)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return json.loads(result.stdout)

    def list(self, *arguments):
        result = self.dlock("ls", "--json", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        return json.loads(result.stdout)

    def release(self, *holders):
        for holder in holders:
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)

    def test_info_of_a_free_lock_says_so(self):
        self.assertEqual(self.info("x"), {
            "name": "x", "held": False, "foreign": False, "kind": None, "fence": None, "token": None,
            "holder": None, "held_for_ms": None, "ttl_left_ms": None, "permits": 0, "used": 0,
            "holders": [], "waiters": []})
        result = self.dlock("info", "x")
        self.assertEqual((result.returncode, result.stdout), (0, b"x: free\n  waiting   0\n"))

    def test_info_tells_who_holds_and_who_waits_in_order(self):
        holder = self.hold("x", "--ttl", "60s", "--label", "first")
        waiters = []
        for label in ("second", "third"):
            waiters.append(self.start("run", "--label", label, "x", "--", "true"))
            self.wait_for_waiters("x", len(waiters))
        info = self.info("x")
        self.assertEqual((info["held"], info["foreign"]), (True, False))
        self.assertEqual({k: v for k, v in info["holder"].items() if k != "client"},
                         {"host": HOST, "pid": holder.pid, "program": "dlock", "label": "first"})
        self.assertRegex(info["holder"]["client"], r"\A[0-9a-f]{16}\Z")
        self.assertIsInstance(info["fence"], str)
        self.assertGreater(int(info["fence"]), 0)
        self.assertTrue(0 < info["ttl_left_ms"] <= 60000)
        self.assertTrue(0 <= info["held_for_ms"] < 60000)
        self.assertEqual([(w["pid"], w["label"]) for w in info["waiters"]],
                         [(waiters[0].pid, "second"), (waiters[1].pid, "third")])
        self.assertTrue(60000 > info["waiters"][0]["waiting_ms"] >= info["waiters"][1]["waiting_ms"] >= 0)

        text = self.dlock("info", "x").stdout.decode()
        self.assertRegex(text, rf"x: held\n  holder    {HOST}:{holder.pid} dlock \(first\)\n  fence     {info['fence']}\n"
                               r"  held for  .+\n  ttl left  .+\n  waiting   2\n")
        self.assertLess(text.index("(second)"), text.index("(third)"))
        self.release(holder)
        self.assertEqual([w.wait() for w in waiters], [0, 0])

    def test_ls_lists_held_locks_by_name(self):
        holders = [self.hold(name) for name in ("beta", "alpha", "gamma:1")]
        self.assertEqual([lock["name"] for lock in self.list()], ["alpha", "beta", "gamma:1"])
        self.assertEqual([lock["name"] for lock in self.list("*a")], ["alpha", "beta"])
        self.assertEqual([lock["name"] for lock in self.list("[ag]*")], ["alpha", "gamma:1"])
        self.assertEqual(self.list("nothing"), [])
        lines = self.dlock("ls").stdout.decode().splitlines()
        self.assertRegex(lines[0], r"\ANAME +HOLDER +FENCE +HELD FOR +TTL LEFT +WAITING\Z")
        self.assertEqual([line.split()[0] for line in lines[1:]], ["alpha", "beta", "gamma:1"])
        self.release(*holders)

    def test_ls_without_locks_is_empty(self):
        result = self.dlock("ls")
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assert_one_message(result.stderr)
        self.assertEqual(self.list(), [])

    def test_prefix_separates_names(self):
        inside = self.hold("x", "--prefix", "app:")
        outside = self.hold("x")
        self.assertEqual([lock["name"] for lock in self.list("--prefix", "app:")], ["x"])
        self.assertEqual([lock["name"] for lock in self.list()], ["app:x", "x"])
        self.assertEqual(self.info("x", "--prefix", "app:")["holder"]["pid"], inside.pid)
        self.assertEqual(self.info("x")["holder"]["pid"], outside.pid)
        self.release(inside, outside)

    def test_a_lock_of_another_library_is_shown_as_foreign(self):
        self.server.command("SET", "x", "someone", "PX", "100000")
        info = self.info("x")
        self.assertEqual((info["held"], info["foreign"], info["token"]), (True, True, "someone"))
        self.assertIsNone(info["fence"])
        self.assertTrue(0 < info["ttl_left_ms"] <= 100000)
        self.assertIn(b"another library", self.dlock("info", "x").stdout)
        self.server.command("PERSIST", "x")
        self.assertIsNone(self.info("x")["ttl_left_ms"])
        self.assertIn(b"no end", self.dlock("info", "x").stdout)
        waiter = self.start("run", "x", "--", "echo", "mine")
        self.wait_for_waiters("x", 1)
        self.assertEqual([lock["name"] for lock in self.list()], ["x"])
        self.server.command("DEL", "x")
        self.assertEqual((waiter.wait(), waiter.stdout), (0, "mine\n"))

    def test_a_closed_stdout_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([DLOCK, "info", "x"], env=self.environment, stdout=full,
                                    stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(result.returncode, 74)
        self.assert_one_message(result.stderr)

    def test_break_takes_the_lock_from_its_holder_and_the_next_goes_on(self):
        holder = self.start("run", "x", "--", "sh", "-c", "trap 'echo TERM; exit' TERM; echo ready; "
                                                         "while :; do sleep 0.02; done")
        holder.expect("ready")
        waiter = self.start("run", "x", "--", "sh", "-c", "echo mine; cat")
        self.wait_for_waiters("x", 1)
        fence = self.info("x")["fence"]
        result = self.dlock("break", "x", "--fence", fence)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertIn(fence.encode(), result.stdout)
        waiter.expect("mine")
        self.assertEqual((holder.wait(), "TERM" in holder.stdout), (73, True))
        self.assertGreater(int(self.info("x")["fence"]), int(fence))

        # The fence that was broken does not break its successor.
        result = self.dlock("break", "x", "--fence", fence)
        self.assertEqual((result.returncode, result.stdout), (75, b""))
        message = self.assert_one_message(result.stderr)
        self.assertIn(f":{waiter.pid} dlock", message)
        self.assertIn(self.info("x")["fence"], message)
        self.release(waiter)

    def test_break_of_a_free_lock_is_75_and_says_that_it_is_free(self):
        result = self.dlock("break", "x", "--fence", "77")
        self.assertEqual(result.returncode, 75)
        self.assertIn("free", self.assert_one_message(result.stderr))

    def test_break_in_one_step_takes_the_lock_from_the_only_holder(self):
        free = self.dlock("break", "x", "--current")
        self.assertEqual((free.returncode, free.stderr), (75, b"dlock: nobody holds 'x'\n"))
        holder = self.hold("x")
        result = self.dlock("break", "x", "--current")
        self.assertRegex(result.stdout.decode(),
                         rf"\A'x' was taken from \S+:{holder.pid} dlock .*, fence \d+\n\Z")
        self.assertEqual(holder.wait(), 73)
        both = [self.hold("g", "--permits=2") for _ in range(2)]
        result = self.dlock("break", "g", "--current")
        self.assertEqual((result.returncode, b"2 holders" in result.stderr), (75, True), result)
        self.release(*both)
        self.server.command("SET", "x", "mine")
        result = self.dlock("break", "x", "--current")
        self.assertEqual((result.returncode, b"another library" in result.stderr), (75, True), result)
        self.assertEqual(self.server.command("GET", "x"), b"mine")
        self.server.command("DEL", "x")

    def test_break_never_takes_the_lock_of_another_library(self):
        self.server.command("SET", "x", "someone")
        result = self.dlock("break", "x", "--fence", "77")
        self.assertEqual(result.returncode, 75)
        self.assertIn("another library", self.assert_one_message(result.stderr))
        self.assertEqual(self.server.command("GET", "x"), b"someone")
        self.server.command("DEL", "x")

    def test_break_as_json(self):
        holder = self.hold("x")
        fence = self.info("x")["fence"]
        wrong = self.dlock("break", "--json", "x", "--fence", str(int(fence) + 64))
        self.assertEqual((wrong.returncode, wrong.stderr), (75, b""))
        answer = json.loads(wrong.stdout)
        self.assertEqual((answer["outcome"], answer["lock"]["fence"]), ("not_holder", fence))
        answer = json.loads(self.dlock("break", "--json", "x", "--fence", fence).stdout)
        self.assertEqual((answer["name"], answer["fence"], answer["outcome"], answer["lock"]["held"]),
                         ("x", fence, "broken", False))
        self.assertEqual(holder.wait(), 73)


if __name__ == "__main__":
    unittest.main()
