"""dlock run NAME --and NAME: several locks at once."""

import json
import unittest

from cli_case import DLOCK, CliCase, eventually


class Several(CliCase):
    def is_free(self, name):
        return self.server.command("EXISTS", name) == 0

    def test_the_command_has_all_of_them(self):
        script = 'echo $DLOCK_NAME $DLOCK_NAME_2 $DLOCK_NAME_3; echo $DLOCK_FENCE $DLOCK_FENCE_2'
        result = self.dlock("run", "b", "--and", "a", "--and=c", "--", "sh", "-c", script)
        self.assertEqual((result.returncode, result.stderr), (0, b""), result)
        names, fences = result.stdout.decode().splitlines()
        self.assertEqual(names, "b a c")
        self.assertEqual(len(set(fences.split())), 2)
        holder = self.hold("b", "--and", "a")
        for name in ("a", "b"):
            self.assertTrue(json.loads(self.dlock("info", "--json", name).stdout)["held"])
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_a_nested_command_sees_nothing_of_the_outer_locks(self):
        inner = f"{DLOCK} run c -- env"
        result = self.dlock("run", "a", "--and", "b", "-c", inner)
        self.assertEqual(result.returncode, 0, result)
        self.assertIn(b"\nDLOCK_NAME=c\n", b"\n" + result.stdout)
        self.assertNotRegex(result.stdout, rb"DLOCK_\w+_2")

    def test_a_wait_tells_whom_it_waits_for_and_a_signal_ends_it(self):
        holder = self.hold("b")
        waiter = self.start("run", "-v", "a", "--and", "b", "--", "true")
        self.wait_for_waiters("b", 1)
        waiter.expect_error("waiting for 'b', held by")
        waiter.process.terminate()
        self.assertEqual(waiter.wait(), 143)
        self.assertTrue(self.is_free("a"))
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_the_loss_of_one_ends_the_command(self):
        holder = self.start("run", "--ttl", "1s", "a", "--and", "b", "--", "sleep", "60")
        self.assertTrue(eventually(lambda: not self.is_free("b")))
        self.server.command("DEL", "b")
        self.assertEqual(holder.wait(), 73)
        self.assertIn("lost the lock 'a' and 'b'", holder.stderr)
        self.assertIn('"b"', holder.stderr)
        self.assertTrue(self.is_free("a"))

    def test_wrong_usage_is_refused(self):
        for arguments, says in [(["a", "--and"], "--and needs a NAME"),
                                (["a", "--and", ""], "unset"),
                                (["a", "--and", "a", "--", "true"], "twice"),
                                (["a", "--and", "b"], "COMMAND is missing"),
                                (["-s", "a", "--and", "b", "--", "true"], "takes mutexes"),
                                (["--at-least", "5m", "a", "--and", "b", "--", "true"], "takes mutexes"),
                                (["--permits", "2", "a", "--and", "b", "--", "true"], "takes mutexes")]:
            with self.subTest(arguments):
                result = self.dlock("run", *arguments)
                self.assertEqual(result.returncode, 64, result)
                self.assertIn(says, self.assert_one_message(result.stderr))

    def test_it_may_stand_before_the_name_too(self):
        result = self.dlock("run", "--and", "b", "-v", "a", "printenv", "DLOCK_NAME_2")
        self.assertEqual((result.returncode, result.stdout), (0, b"b\n"), result)


if __name__ == "__main__":
    unittest.main()
