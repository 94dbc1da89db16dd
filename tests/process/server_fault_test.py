"""Servers that die, stop, forget or are emptied: what holders and waiters then see."""

import time
import unittest

from process_case import PATIENCE, ProcessCase, eventually


class ServerFault(ProcessCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_registrations)
        self.leaves_keys = True

    def fence_of(self, running):
        return int(running.word_after("fence"))

    def fenced(self, name, *options):
        running = self.start("run", *options, name, "--", "sh", "-c",
                             "echo fence $DLOCK_FENCE; cat")
        return running

    def test_after_a_restart_without_data_the_holder_is_told_and_the_waiter_goes_on(self):
        holder = self.fenced("job", "--ttl", "3s")
        former = self.fence_of(holder)
        waiter = self.fenced("job")
        self.wait_for_waiters("job", 1)
        self.server.kill9()
        self.server.restart()
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assertGreater(self.fence_of(waiter), former)
        self.assert_ends_well(waiter)

    def test_a_key_deleted_by_hand_goes_to_the_first_waiter(self):
        holder = self.hold("job", "--ttl", "2s")
        waiter = self.wait_in_line("job")
        self.server.command("DEL", "job")
        waiter.expect("mine")
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assert_ends_well(waiter)

    def test_a_server_stopped_for_less_than_the_ttl_is_lived_through(self):
        holder = self.hold("job", "--ttl", "10s")
        waiter = self.wait_in_line("job")
        self.server.stop()
        time.sleep(3)  # longer than one request timeout, much shorter than the ttl
        self.server.cont()
        self.assert_ends_well(holder)
        waiter.expect("mine")
        self.assert_ends_well(waiter)

    def test_a_pause_of_all_commands_is_lived_through(self):
        holder = self.hold("job", "--ttl", "10s")
        waiter = self.wait_in_line("job")
        self.server.command("CLIENT", "PAUSE", "1000", "ALL")
        self.assert_ends_well(holder)
        waiter.expect("mine")
        self.assert_ends_well(waiter)

    def test_a_key_that_becomes_something_else_is_a_lost_lock(self):
        holder = self.hold("job", "--ttl", "2s")
        self.server.command("DEL", "job")
        self.server.command("LPUSH", "job", "theirs")
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assertEqual(self.server.command("LRANGE", "job", "0", "-1"), [b"theirs"])
        refused = self.dlock("run", "job", "--", "true")
        self.assertEqual(refused.returncode, 69)
        self.assertIn("not a lock", self.assert_one_message(refused.stderr))


class Kept(ProcessCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.command("CONFIG", "SET", "appendonly", "yes")
        cls.server.command("CONFIG", "SET", "appendfsync", "always")

    def test_after_a_restart_with_its_data_everybody_goes_on(self):
        holder = self.hold("job", "--ttl", "20s")
        waiter = self.wait_in_line("job")
        self.server._config += ["appendonly yes", "appendfsync always"]
        self.assertTrue(eventually(lambda: b"aof_rewrite_in_progress:0" in self.persistence(),
                                   PATIENCE))
        self.server.kill9()
        self.server.restart()
        self.assertTrue(eventually(lambda: self.server.command("EXISTS", "job"), PATIENCE))
        self.assert_ends_well(holder)
        waiter.expect("mine")
        self.assert_ends_well(waiter)

    def persistence(self):
        reply = self.server.command("INFO", "persistence")
        return str(reply).replace("'", "").replace(" ", "").encode()


if __name__ == "__main__":
    unittest.main()
