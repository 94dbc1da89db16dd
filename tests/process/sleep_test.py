"""The machine sleeps: CLOCK_BOOTTIME goes on, CLOCK_MONOTONIC does not, and the leases run out."""

import pathlib
import sys
import time
import unittest

from process_case import PATIENCE, ProcessCase, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from moved_clock import MovedClock  # noqa: E402


class Sleep(ProcessCase):
    def setUp(self):
        super().setUp()
        self.clock = MovedClock("DLOCK_BOOT_OFFSET_FILE")
        self.addCleanup(self.clock.close)
        self.environment.update(self.clock.environment)

    def test_a_lease_has_run_out_when_the_machine_slept_for_longer(self):
        holder = self.hold("job", "--ttl", "60s")
        begin = time.monotonic()
        self.clock.step(61)
        self.assertTrue(eventually(holder.is_over, PATIENCE), "it works on as if it held the lock")
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assertLess(time.monotonic() - begin, 30, "the rest of its ttl is over all the same")

    def test_a_lease_that_outlives_the_sleep_is_renewed_before_it_ends(self):
        holder = self.hold("job", "--ttl", "60s")
        end = self.server.command("PEXPIRETIME", "job")
        self.clock.step(30)
        self.assertTrue(eventually(lambda: self.server.command("PEXPIRETIME", "job") > end,
                                   PATIENCE), "it is not renewed")
        self.clock.step(35)
        self.assert_ends_well(holder)

    def test_what_is_left_of_a_lease_that_is_not_renewed_is_counted_by_the_clock_that_goes_on(self):
        holder = self.hold("job", "--no-renew", "--ttl", "60s")
        self.clock.step(61)
        self.assertTrue(eventually(holder.is_over, PATIENCE))
        self.assertNotEqual(holder.wait(), 0)


if __name__ == "__main__":
    unittest.main()
