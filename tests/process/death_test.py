"""Holders and waiters that are killed or stopped: the next one gets the lock, neither early nor late."""

import os
import signal
import time
import unittest

from process_case import PATIENCE, ProcessCase, eventually

from cli_case import guard_of  # found by the former

CLAIM = 3.0  # seconds that a granted lock is held for its new owner


class Death(ProcessCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_registrations)
        self.leaves_keys = True

    def fence(self, name):
        """Of the holder, as a number; 0 when nobody holds it."""
        value = self.server.command("GET", name)
        return int(value.split(b":")[-2]) if value else 0

    def test_the_next_one_gets_the_lock_of_a_killed_holder_at_once(self):
        holder = self.hold("job", "--ttl", "1h")
        waiter = self.wait_in_line("job")
        former = self.fence("job")
        holder.send(signal.SIGKILL)
        waiter.expect("mine")
        self.assertGreater(self.fence("job"), former)
        self.assert_ends_well(waiter)

    def test_the_next_one_gets_the_lock_of_a_holder_killed_with_its_guard_when_its_ttl_is_over(self):
        holder = self.hold("job", "--ttl", "1s")
        waiter = self.wait_in_line("job")
        former = self.fence("job")
        os.kill(guard_of(holder.pid), signal.SIGKILL)
        holder.send(signal.SIGKILL)
        holder.close_stdin()  # which ends what nobody looks after
        left = self.server.command("PTTL", "job")
        begin = time.monotonic()
        waiter.expect("mine")
        waited = time.monotonic() - begin
        self.assertGreater(left, 0, "the lock was free before its holder's ttl was over")
        self.assertGreaterEqual(waited, left / 1000 * 0.9)
        self.assertLess(waited, 1.0 + CLAIM)
        self.assertGreater(self.fence("job"), former)
        self.assert_ends_well(waiter)

    def test_killed_waiters_are_passed_over(self):
        holder = self.hold("job")
        dead = [self.wait_in_line("job") for _ in range(3)]
        waiter = self.wait_in_line("job")
        for process in dead:
            process.send(signal.SIGKILL)
        # The server has seen them go when it has no subscriber for them any more.
        self.assertTrue(eventually(
            lambda: len(self.server.command("PUBSUB", "SHARDCHANNELS", "dlock1:c:*")) == 2,
            PATIENCE))
        begin = time.monotonic()
        self.assert_ends_well(holder)
        waiter.expect("mine")
        self.assertLess(time.monotonic() - begin, CLAIM)
        self.assert_ends_well(waiter)

    def test_a_stopped_waiter_that_is_granted_costs_the_claim_time(self):
        holder = self.hold("job")
        stopped = self.wait_in_line("job")
        waiter = self.wait_in_line("job")
        stopped.send(signal.SIGSTOP)
        begin = time.monotonic()
        self.assert_ends_well(holder)
        waiter.expect("mine")
        waited = time.monotonic() - begin
        self.assertGreaterEqual(waited, CLAIM * 0.9)
        self.assertLess(waited, CLAIM * 2)
        # It comes back, finds its grant too old, and waits for another.
        stopped.send(signal.SIGCONT)
        self.assert_ends_well(waiter)
        stopped.expect("mine")
        self.assert_ends_well(stopped)


if __name__ == "__main__":
    unittest.main()
