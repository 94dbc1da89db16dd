"""The C interface, from a program in plain C: interface.c, linked to the shared library."""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))

from process_case import PATIENCE, ProcessCase, eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

PROGRAM = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "tests/c_interface")
EXAMPLE = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "examples/plain_c")
SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])

# Without and with the sockets of its clients.
EVENT_LOOPS = ((), ("reading",))

# Loads the library, has leases renewed and waits, and closes it again; then the same once more.
DLOPEN = """
import _ctypes, ctypes, sys, time
for _ in range(3):
    library = ctypes.CDLL(sys.argv[1])
    pointers = [ctypes.c_void_p() for _ in range(3)]
    client, lock, lease = pointers
    settings = (ctypes.c_int64 * 2)(16, 600)  # size, ttl
    assert library.dlock_client_new(None, None, ctypes.byref(client)) == 0
    assert library.dlock_mutex_new(client, b"a", ctypes.c_size_t(1), settings, ctypes.byref(lock)) == 0
    assert library.dlock_acquire(lock, ctypes.c_int64(-1), None, ctypes.byref(lease)) == 0
    _ctypes.dlclose(library._handle)
    time.sleep(1)  # it is renewed meanwhile
    library = ctypes.CDLL(sys.argv[1])
    assert library.dlock_lease_release(lease) == 0
    library.dlock_lease_free(lease)
    library.dlock_lock_free(lock)
    library.dlock_client_free(client)
    _ctypes.dlclose(library._handle)
"""


class Interface(ProcessCase):
    def start_test(self, name, *how):
        return self.start_program(PROGRAM, name, *how)

    def assert_passes(self, running):
        self.assertEqual(running.wait(), 0, running.stderr)
        return running.stdout

    def go_on(self, running):
        running.process.stdin.write(b"\n")
        running.process.stdin.flush()

    def let_it_wait(self, name):
        """Starts a test that waits for the lock it holds, and lets it go on when it does."""
        running = self.start_test(name)
        running.expect("held")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("a")) == 1, PATIENCE))
        self.go_on(running)
        self.assert_passes(running)

    def test_leases_have_names_fences_and_an_end(self):
        self.assert_passes(self.start_test("leases"))

    def test_names_have_any_bytes_and_a_prefix(self):
        running = self.start_test("names")
        running.expect("held")
        self.assertIn(b"p:with\0zero", self.keys())
        self.go_on(running)
        self.assert_passes(running)

    def test_readers_writers_and_permits(self):
        self.assert_passes(self.start_test("kinds"))

    def test_waits_are_cancelled_and_leave_the_queue(self):
        self.let_it_wait("cancelling")
        self.assertEqual(self.server.command("ZCARD", self.queue("a")), 0)

    def test_freeing_the_client_ends_its_waits(self):
        self.let_it_wait("closing")

    def test_waits_need_no_thread(self):
        self.assert_passes(self.start_test("without_waiting"))
        # The program may end before the thread of its last callback has let go of the client, which
        # then cannot take back its registration: that expires.
        for key in self.keys():
            if key.startswith(b"dlock1:client:"):
                self.assertGreater(self.server.command("PTTL", key), 0)
                self.server.command("DEL", key)

    def test_a_loss_is_told(self):
        running = self.start_test("losing")
        running.expect("held")
        self.server.command("DEL", "a")
        self.assert_passes(running)

    def test_what_too_few_replicas_have_is_not_acquired(self):
        running = self.start_test("replication")
        running.expect("free")
        replica = RedisServer(f"replicaof 127.0.0.1 {self.server.port}")
        self.addCleanup(replica.close)
        self.assertTrue(eventually(lambda: replica.command("INFO", "replication")[
            "master_link_status"] == "up", PATIENCE))
        self.go_on(running)
        self.assert_passes(running)

    def test_elections_have_a_leader_whom_all_can_see(self):
        self.assert_passes(self.start_test("elections"))

    def test_the_loss_of_a_leadership_is_told(self):
        self.assert_passes(self.start_test("losing_elections"))

    def test_work_is_begun_once_in_a_period(self):
        self.leaves_keys = True  # for the rest of the period
        self.assert_passes(self.start_test("once"))

    def test_a_callback_may_free_everything(self):
        self.leaves_keys = True
        self.assert_passes(self.start_test("freeing_in_callbacks"))
        # A client that its own callback frees ends when that has returned. The program may end before,
        # and then the registration stays for its life.
        self.assertEqual([key for key in self.keys() if not key.startswith(b"dlock1:client:")], [])

    def test_a_loss_callback_may_release_free_and_acquire(self):
        self.assert_passes(self.start_test("losing_in_callbacks"))

    def test_the_longest_times_are_for_ever(self):
        self.leaves_keys = True  # a latch stays
        self.assert_passes(self.start_test("longest_times"))

    def test_the_library_stays_loaded_while_it_works(self):
        """A program that loads it by dlopen() may close it with waits and leases."""
        library = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "libdlock.so.1")
        running = self.start_program(sys.executable, "-c", DLOPEN, library)
        self.assertEqual(running.wait(), 0, running.stderr)

    def test_calls_end_in_an_event_loop(self):
        for how in EVENT_LOOPS:
            self.assert_passes(self.start_test("queued", *how))
            self.assert_passes(self.start_test("queued_end", *how))

    def test_a_loss_is_told_to_an_event_loop(self):
        for how in EVENT_LOOPS:
            running = self.start_test("queued_losses", *how)
            running.expect("held")
            self.server.command("DEL", "a")
            self.assert_passes(running)

    def test_an_event_loop_reads_the_sockets_itself(self):
        self.assert_passes(self.start_test("reading", "reading"))

    def test_an_event_loop_that_is_busy_keeps_its_leases_and_delays_nobody(self):
        for how in EVENT_LOOPS:
            self.assert_passes(self.start_test("busy_reader", *how))

    def test_what_an_event_loop_had_ends_with_it(self):
        self.what_an_event_loop_had_ends_with_it()

    def test_what_an_event_loop_had_that_reads_ends_with_it(self):
        self.what_an_event_loop_had_ends_with_it("reading")

    def what_an_event_loop_had_ends_with_it(self, *how):
        self.leaves_keys = True  # the latch stays, which is broken
        running = self.start_test("hanging_up", *how)
        running.expect("held")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("b")) == 1, PATIENCE))
        self.go_on(running)
        running.expect("over")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("b")) == 0, PATIENCE))
        self.assertTrue(eventually(
            lambda: self.server.command("EXISTS", "r", "e") == 0, PATIENCE))
        self.go_on(running)
        self.assert_passes(running)
        self.assertRegex(running.stderr, r'dlock: the lock "a" \(fence \d+\) is given back')

    def test_calls_of_all_kinds_end_in_an_event_loop(self):
        self.leaves_keys = True  # the rest of a period, and a latch
        for how in EVENT_LOOPS:
            self.assert_passes(self.start_test("queued_calls", *how))
            self.server.command("FLUSHALL")

    def test_an_election_is_seen_by_an_event_loop(self):
        for how in EVENT_LOOPS:
            self.assert_passes(self.start_test("queued_elections", *how))

    def test_an_event_loop_gets_the_log(self):
        for how in EVENT_LOOPS:
            self.assert_passes(self.start_test("queued_log", *how))

    def test_a_function_or_an_event_asks_for_credentials(self):
        self.assert_passes(self.start_test("logging_in"))
        self.assert_passes(self.start_test("queued_logins"))

    def test_calls_of_all_kinds_end_with_their_event_loop(self):
        self.calls_of_all_kinds_end_with_their_event_loop()

    def test_calls_of_all_kinds_end_with_their_event_loop_that_reads(self):
        self.calls_of_all_kinds_end_with_their_event_loop("reading")

    def calls_of_all_kinds_end_with_their_event_loop(self, *how):
        self.leaves_keys = True  # a broken barrier, and a latch
        running = self.start_test("hanging_up_in_calls", *how)
        running.expect("waits")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("b")) == 1
            and self.server.command("EXISTS", "a", "c") == 1, PATIENCE))
        self.go_on(running)
        running.expect("over")
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("b")) == 0
            and self.server.command("EXISTS", "a", "c") == 0, PATIENCE))
        self.go_on(running)
        self.assert_passes(running)

    def test_several_locks_are_one_lease(self):
        self.assert_passes(self.start_test("several_locks"))

    def test_a_reader_may_become_the_writer(self):
        self.assert_passes(self.start_test("upgrades"))

    def test_conditions_are_waited_for(self):
        self.assert_passes(self.start_test("conditions"))

    def test_the_number_of_permits_may_change(self):
        self.assert_passes(self.start_test("changing_permits"))

    def test_locks_are_looked_at_and_broken(self):
        self.leaves_keys = True  # a latch and a barrier stay
        self.assert_passes(self.start_test("looking"))

    def test_a_client_counts(self):
        self.assert_passes(self.start_test("counting"))

    def test_a_client_measures_by_group(self):
        self.assert_passes(self.start_test("measuring"))

    def test_events_tell_what_happens_to_locks(self):
        self.assert_passes(self.start_test("telling"))

    def test_help_for_tests(self):
        self.assert_passes(self.start_test("test_server"))

    def test_what_is_wrong_with_a_queue_is_said(self):
        self.assert_passes(self.start_test("queue_errors"))

    def test_latches_open_or_break(self):
        self.leaves_keys = True  # a latch stays
        self.assert_passes(self.start_test("latches"))

    def test_barriers_let_through_or_break(self):
        self.leaves_keys = True
        self.assert_passes(self.start_test("barriers"))

    def test_a_forked_child_holds_nothing_and_breaks_nothing(self):
        self.assert_passes(self.start_test("forking"))

    def test_errors_say_what_is_wrong(self):
        version = self.assert_passes(self.start_test("errors")).strip()
        self.assertIn(f'"{version}"', (SOURCE / "include/dlock/version.hpp").read_text())

    def test_the_example_takes_its_turn(self):
        holder = self.hold("register_user")
        waiting = [self.start_program(EXAMPLE) for _ in range(3)]
        self.assertTrue(eventually(
            lambda: self.server.command("ZCARD", self.queue("register_user")) == 3, PATIENCE))
        self.assert_ends_well(holder)
        for each in waiting:
            self.assertRegex(self.assert_passes(each), r"^abcd fence \d+$")


if __name__ == "__main__":
    unittest.main()
