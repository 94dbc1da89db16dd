"""Servers that refuse: rights taken away, memory used up, a primary that becomes a replica."""

import unittest

from process_case import PATIENCE, ProcessCase, eventually


class Refusal(ProcessCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_registrations)
        self.leaves_keys = True

    def url_of(self, user, *rules):
        self.server.command("ACL", "SETUSER", user, "reset", "on", ">secret", "~*", "&*", "+@all",
                            *rules)
        self.addCleanup(self.server.command, "ACL", "DELUSER", user)
        return f"redis://{user}:secret@127.0.0.1:{self.server.port}"

    def assert_refused(self, result, *words):
        self.assertEqual(result.returncode, 69)
        message = self.assert_one_message(result.stderr)
        for word in words:
            self.assertIn(word, message)
        self.assertNotIn("secret", message)

    def test_without_evalsha_the_message_names_it(self):
        result = self.dlock("run", "--url", self.url_of("one", "-evalsha"), "job", "--", "true")
        self.assert_refused(result, "+evalsha")
        self.assertFalse(self.server.command("EXISTS", "job"))

    def test_without_its_channel_a_waiter_is_refused_and_leaves_the_queue(self):
        holder = self.hold("job")
        url = self.url_of("two", "resetchannels")
        self.assert_refused(self.dlock("run", "--url", url, "job", "--", "true"), "&dlock1:*")
        self.assertFalse(self.server.command("EXISTS", self.queue("job")))
        self.assert_ends_well(holder)

    def test_a_release_that_may_not_publish_still_frees_the_lock(self):
        url = self.url_of("three", "-spublish")
        holder = self.hold("job", "--url", url)
        waiter = self.wait_in_line("job")
        self.assert_ends_well(holder)
        waiter.expect("mine")
        self.assert_ends_well(waiter)

    def test_rights_taken_away_under_way_end_the_command_before_the_lease_can_end(self):
        url = self.url_of("four")
        holder = self.hold("job", "--url", url, "--ttl", "2s")
        self.server.command("ACL", "SETUSER", "four", "-evalsha", "-eval")
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assertNotIn("secret", holder.stderr)

    def test_without_memory_no_lock_is_given_but_held_ones_are_kept_and_released(self):
        holder = self.hold("job", "--ttl", "3s")
        self.server.command("CONFIG", "SET", "maxmemory", "1")
        self.addCleanup(self.server.command, "CONFIG", "SET", "maxmemory", "0")
        self.assert_refused(self.dlock("run", "other", "--", "true"), "maxmemory")
        # Longer than its ttl: it is renewed.
        first = self.server.command("PTTL", "job")
        self.assertTrue(eventually(lambda: self.server.command("PTTL", "job") < first - 200))
        self.assertTrue(eventually(lambda: self.server.command("PTTL", "job") > first - 100))
        self.assertIsNone(holder.process.poll())
        self.assert_ends_well(holder)
        self.assertFalse(self.server.command("EXISTS", "job"))

    def test_a_primary_that_becomes_a_replica_refuses_new_locks_and_its_holders_are_told(self):
        holder = self.hold("job", "--ttl", "2s")
        self.server.command("REPLICAOF", "127.0.0.1", "1")
        self.addCleanup(self.server.command, "REPLICAOF", "NO", "ONE")
        self.assert_refused(self.dlock("run", "other", "--", "true"), "primary")
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.server.command("REPLICAOF", "NO", "ONE")
        self.assertTrue(eventually(lambda: not self.server.command("EXISTS", "job"), PATIENCE))
        self.assertEqual(self.dlock("run", "job", "--", "true").returncode, 0)


if __name__ == "__main__":
    unittest.main()
