"""docs/protocol.md is true: a second client, written from it, meets the server and the library."""

import os
import pathlib
import shlex
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
COMMAND = os.environ["DLOCK_BIN"]
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tests/docs")]

import markdown  # noqa: E402
from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from second_client import (  # noqa: E402
    Client, Refused, election_keys_of, keys_of_gate, keys_of, server_us)
from protocol_client import slot_of  # noqa: E402

LOCK = "app:register_user"
OLD = 5_000_000  # microseconds: such a waiter is written down as seen


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.document = markdown.document("docs/protocol.md")
        cls.server = RedisServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.server.command("FLUSHALL")

    def client(self, **options):
        client = Client(self.server.socket_path, **options)
        self.addCleanup(client.close)
        return client

    def ttl_ms(self, key):
        return self.server.command("PTTL", key)

    # --- keys and values ------------------------------------------------------------------------

    def test_the_keys_of_a_lock_are_those_of_the_table(self):
        for name, slot, queue in self.document.tables["keys"]:
            key = "" if name == "(empty)" else name.strip("`")
            with self.subTest(key):
                self.assertEqual(str(slot_of(key)), slot)
                self.assertEqual(keys_of(key)[1], queue.strip("`"))
                self.assertEqual(slot_of(keys_of(key)[1]), slot_of(key))

    def test_the_library_uses_the_same_keys(self):
        for name, _, queue in self.document.tables["keys"]:
            if name == "(empty)":
                continue  # the command does not take it: most often a variable that is not set
            key = name.strip("`")
            with self.subTest(key):
                holder = self.client()
                token = holder.token()
                holder.acquire(key, token)
                with self.waiting_command(key) as command:
                    self.assert_waiters(queue.strip("`"), 1)
                    holder.release(key, token)
                    self.assertEqual(command.wait(20), 0)

    def waiting_command(self, key):
        return subprocess.Popen([COMMAND, "run", "--url", self.server.url, "--", key, "true"])

    def assert_waiters(self, queue, count):
        self.assertTrue(eventually(lambda: self.server.command("ZCARD", queue) == count))

    def output_of_run(self, *arguments):
        """What a command prints that dlock runs while holding LOCK."""
        command = [COMMAND, "run", "--url", self.server.url, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def test_a_lock_of_the_library_has_a_token_of_this_form(self):
        script = "printf '%s %s ' \"$DLOCK_TOKEN\" \"$DLOCK_FENCE\"; "
        script += f"redis-cli -s {self.server.socket_path} GET {LOCK}"
        output = self.output_of_run("--ttl", "2s", LOCK, "--", "sh", "-c", script)
        token, fence, value = output.split()
        self.assertRegex(token, r"^dlock1:[0-9a-f]{16}:[0-9a-f]{32}:2000$")
        self.assertEqual(token[:7] + token[23] + token[56:], "dlock1:::2000")
        counter, sequence = value.removeprefix(f"{token}:").split(":")
        self.assertEqual(int(counter) * 64 + int(sequence), int(fence))
        self.assertEqual(self.server.command("GET", "dlock1:fence").decode(), counter)

    def test_keys_expire_as_the_table_says(self):
        holder, waiter = self.client(), self.client()
        holder.acquire(LOCK, holder.token(), 30000)
        waiter.acquire(LOCK, waiter.token(), ticket=server_us() - OLD)
        _, queue, seen, fence = keys_of(LOCK)
        self.assertAlmostEqual(self.ttl_ms(LOCK), 30000, delta=5000)
        self.assertAlmostEqual(self.ttl_ms(queue), 20000, delta=5000)
        self.assertAlmostEqual(self.ttl_ms(seen), 20000, delta=5000)
        self.assertEqual(self.ttl_ms(fence), -1)

    def test_the_library_registers_a_client_for_10_minutes(self):
        script = "client=$(echo $DLOCK_TOKEN | cut -c8-23); "
        script += f"redis-cli -s {self.server.socket_path} PTTL dlock1:client:{{dlock1:c:$client}}"
        output = self.output_of_run(LOCK, "--", "sh", "-c", script)
        self.assertAlmostEqual(int(output), 600_000, delta=20_000)

    def test_memory_is_about_what_the_table_says(self):
        count = 100
        with Client(self.server.socket_path) as holder:
            holder.acquire(LOCK, holder.token())
            for _ in range(count):
                holder.acquire(LOCK, holder.token(), ticket=server_us() - OLD)
        _, queue, seen, _ = keys_of(LOCK)
        for key in (queue, seen):
            size = self.server.command("MEMORY", "USAGE", key, "SAMPLES", "0") / count
            self.assertTrue(70 < size < 200, f"{key}: {size} bytes a waiter")

    # --- scripts --------------------------------------------------------------------------------

    def test_acquire_takes_repeats_refuses_and_queues(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        acquired = a.acquire(LOCK, mine, 10000)
        self.assertEqual(acquired[0], "acquired")
        self.assertEqual(a.acquire(LOCK, mine, 20000), acquired)
        self.assertAlmostEqual(self.ttl_ms(LOCK), 20000, delta=5000)
        busy, left = b.acquire(LOCK, other, mode="try")
        self.assertEqual(busy, "busy")
        self.assertTrue(0 < int(left) <= 20000)
        word, left, place, ticket, now, whose = b.acquire(LOCK, other)
        self.assertEqual((word, place, whose), ("queued", "0", "ours"))
        self.assertLessEqual(int(ticket), int(now))
        self.assertEqual(b.acquire(LOCK, other, ticket=ticket)[2:4], ["0", ticket])

    def test_acquire_gives_up_a_token_in_the_same_step(self):
        a, b = self.client(), self.client()
        old, new, other = a.token(), a.token(), b.token()
        a.acquire(LOCK, old)
        b.acquire(LOCK, other)
        reply = a.acquire(LOCK, new, old=old)
        self.assertEqual((reply[0], reply[-1]), ("queued", "released"))
        self.assertEqual(b.next_message()[:2], ["grant", other])
        self.assertEqual(a.acquire(LOCK, new, old=old)[-1], "not_held")

    def test_acquire_all_takes_all_or_none(self):
        a, b = self.client(), self.client()
        mine = {LOCK: a.token(), "other": a.token()}
        word, *counters = a.acquire_all(mine, 20000)
        self.assertEqual((word, len(set(counters))), ("acquired", 2))
        self.assertEqual(a.acquire_all(mine), [word, *counters])
        self.assertEqual(a.acquire(LOCK, mine[LOCK]), ["acquired", counters[0]])
        a.release(LOCK, mine[LOCK])
        busy, left = b.acquire_all({LOCK: b.token(), "other": b.token()})
        self.assertEqual(busy, "busy")
        self.assertTrue(0 < int(left) <= 30000)
        self.assertIsNone(self.server.command("GET", LOCK))
        a.release("other", mine["other"])

    def test_release_grants_the_next_and_tells_the_one_behind(self):
        a, b, c = self.client(), self.client(), self.client()
        tokens = [client.token() for client in (a, b, c)]
        first = a.acquire(LOCK, tokens[0])
        b.acquire(LOCK, tokens[1])
        c.acquire(LOCK, tokens[2])
        self.assertEqual(a.release(LOCK, tokens[0]), ["released"])
        word, token, counter, now = b.next_message()
        self.assertEqual((word, token), ("grant", tokens[1]))
        self.assertGreater(int(counter), int(first[1]))
        self.assertAlmostEqual(int(now), server_us(), delta=10_000_000)
        self.assertTrue(0 < self.ttl_ms(LOCK) <= 3000)
        self.assertEqual(a.release(LOCK, tokens[0]), ["not_held"])

    def test_a_release_tells_the_one_behind_a_short_claim(self):
        a, b, c = self.client(), self.client(), self.client()
        tokens = [client.token(claim_ms) for client, claim_ms in ((a, 3000), (b, 2499), (c, 3000))]
        for client, token in zip((a, b, c), tokens):
            client.acquire(LOCK, token)
        a.release(LOCK, tokens[0])
        self.assertEqual(c.next_message(), ["next", tokens[2], "2499"])

    def test_a_release_may_keep_others_out_for_a_while(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        a.acquire(LOCK, mine)
        b.acquire(LOCK, other)
        self.assertEqual(a.release(LOCK, mine, 20000), ["released"])
        self.assertTrue(2500 < self.ttl_ms(LOCK) <= 20000)
        self.assertEqual(a.release(LOCK, mine, 2000), ["released"])
        self.assertEqual(b.next_message(), ["next", other, "2000"])
        self.assertEqual(b.acquire(LOCK, other)[0], "queued")
        self.assertEqual(a.release(LOCK, mine), ["released"])
        self.assertEqual(b.next_message()[:2], ["grant", other])

    def test_a_waiter_that_nobody_listens_for_is_passed_over(self):
        a, b = self.client(), self.client()
        with Client(self.server.socket_path) as gone:
            mine, other = a.token(), b.token()
            a.acquire(LOCK, mine)
            gone.acquire(LOCK, gone.token())
        b.acquire(LOCK, other)
        self.assertTrue(eventually(lambda: not self.server.command("PUBSUB", "SHARDNUMSUB",
                                                                   f"dlock1:c:{gone.id}")[1]))
        a.release(LOCK, mine)
        self.assertEqual(b.next_message()[:2], ["grant", other])

    def test_renew_answers_for_each_lease_and_never_shortens(self):
        a = self.client()
        mine = a.token()
        a.acquire(LOCK, mine, 20000)
        letters = a.renew((LOCK, mine, 1000), ("app:none", a.token(), 1000), sequence=3)
        self.assertEqual(letters, ["kl"])
        self.assertGreater(self.ttl_ms(LOCK), 10000)
        self.assertTrue(self.server.command("GET", LOCK).endswith(b":3"))

    def test_a_free_lock_needs_no_script(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        free, value, counter, queue = a.acquire_bare(LOCK, mine)
        self.assertEqual((free, value, queue), ("OK", mine, 0))
        taken, value, greater, _ = b.acquire_bare(LOCK, other)
        self.assertEqual((taken, value, greater), (None, mine, counter + 1))
        self.assertEqual(self.server.command("GET", LOCK).decode(), mine)
        self.assertEqual(b.release_bare(LOCK, other), 0)
        self.assertEqual(a.release_bare(LOCK, mine), 1)
        self.assertIsNone(self.server.command("GET", LOCK))

    def test_a_waiter_makes_the_holder_use_the_script(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        a.acquire_bare(LOCK, mine)
        self.assertEqual(b.acquire(LOCK, other)[0], "queued")
        self.assertEqual(self.server.command("GET", LOCK).decode(), mine + ":")
        self.assertEqual(a.release_bare(LOCK, mine), 0)
        self.assertEqual(a.release(LOCK, mine), ["released"])
        self.assertEqual(b.next_message()[:2], ["grant", other])

    def test_a_newcomer_with_a_queue_before_it_gives_way(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        a.acquire(LOCK, a.token())
        b.acquire(LOCK, other)
        self.server.command("DEL", LOCK)
        self.assertEqual(a.acquire_bare(LOCK, mine)[3], 1)
        self.assertEqual(a.acquire(LOCK, mine)[0], "queued")
        self.assertEqual(b.next_message()[:2], ["grant", other])

    def test_a_renewal_records_the_fence_once(self):
        a = self.client()
        mine = a.token()
        counter = a.acquire_bare(LOCK, mine)[2]
        for said in counter, counter + 7:
            self.assertEqual(a.renew((LOCK, mine, 30000), counter=said), ["k"])
            self.assertEqual(self.server.command("GET", LOCK).decode(), f"{mine}:{counter}:0")
        self.assertEqual(a.release_bare(LOCK, mine), 0)

    def test_a_holder_without_a_record_is_broken_by_its_value(self):
        a, b = self.client(), self.client()
        mine = a.token()
        a.acquire_bare(LOCK, mine)
        self.assertEqual(b.break_(LOCK, "", mine + ":", "force"), "not_holder")
        self.assertEqual(b.break_(LOCK, "", mine, "force"), "broken")

    def test_break_asks_and_goes_by_the_record(self):
        a, b = self.client(), self.client()
        mine = a.token()
        _, counter = a.acquire(LOCK, mine)
        self.assertEqual(b.break_(LOCK, int(counter) - 1, 0, "force"), "not_holder")
        self.assertEqual(b.break_(LOCK, counter, 1, "force"), "not_holder")
        self.assertEqual(b.break_(LOCK, counter, 0, "ask"), "asked 1")
        self.assertEqual(a.next_message(), ["break", mine, counter, "0"])
        self.assertEqual(b.break_(LOCK, counter, 0, "force"), "broken")
        self.assertEqual(b.break_(LOCK, counter, 0, "force"), "not_holder")

    def test_foreign_clients_have_one_place_in_the_queue(self):
        a, b = self.client(), self.client()
        self.server.command("SET", LOCK, "theirs", "NX", "PX", "30000")
        mine, other = a.token(), b.token()
        self.assertEqual(a.acquire(LOCK, mine)[-1], "foreign")
        queue = keys_of(LOCK)[1]
        self.assertIsNotNone(self.server.command("ZSCORE", queue, "~"))
        self.server.command("DEL", LOCK)
        a.acquire(LOCK, mine)
        self.server.command("ZADD", queue, server_us(), "~")
        b.acquire(LOCK, other)
        a.release(LOCK, mine)
        self.assertEqual(b.next_message(), ["next", other, "150"])
        self.assertEqual(self.server.command("EXISTS", LOCK), 0)
        self.assertLess(self.server.command("ZSCORE", queue, "~"), 0)

    def test_the_library_and_a_second_client_pass_the_lock_to_each_other(self):
        a = self.client()
        mine = a.token()
        a.acquire(LOCK, mine)
        with self.waiting_command(LOCK) as command:
            self.assert_waiters(keys_of(LOCK)[1], 1)
            again = a.token()
            self.assertEqual(a.acquire(LOCK, again, old=mine)[0], "queued")
            self.assertEqual(a.next_message()[:2], ["grant", again])
            self.assertEqual(command.wait(20), 0)
        self.assertEqual(a.release(LOCK, again), ["released"])

    # --- permits --------------------------------------------------------------------------------

    def test_permits_are_a_sorted_set_with_two_numbers(self):
        a = self.client()
        token = a.permits_token(3)
        _, counter = a.acquire_permits(LOCK, token, 4)
        self.assertEqual(self.server.command("ZSCORE", LOCK, "=capacity"), -4)
        self.assertEqual(self.server.command("ZSCORE", LOCK, "=used"), -3)
        self.assertAlmostEqual(self.server.command("ZSCORE", LOCK, token), server_us() + 30_000_000,
                               delta=10_000_000)
        self.assertAlmostEqual(self.ttl_ms(LOCK), 31000, delta=5000)
        seen = keys_of(LOCK)[2]
        self.assertEqual(self.server.command("HGET", seen, token).decode(), counter)
        self.assertEqual(a.renew_permits(LOCK, token, counter), ["k"])
        self.assertEqual(a.release_permits(LOCK, token), ["released"])
        self.assertEqual(self.server.command("KEYS", "*"), [b"dlock1:fence"])

    def test_permits_are_handed_off_in_order_of_arrival(self):
        a, b, c = self.client(), self.client(), self.client()
        mine, heavy, light = a.permits_token(2), b.permits_token(4), c.permits_token(1)
        a.acquire_permits(LOCK, mine, 4)
        self.assertEqual(b.acquire_permits(LOCK, heavy, 4)[0], "queued")
        self.assertEqual(c.acquire_permits(LOCK, light, 4)[2], "1")
        self.assertEqual(b.next_message()[:2], ["next", heavy])
        self.assertEqual(c.acquire_permits(LOCK, c.permits_token(1), 9), ["other", "4"])
        self.assertEqual(b.acquire_permits(LOCK, b.permits_token(3), 4, mode="try_first")[0], "busy")
        a.release_permits(LOCK, mine)
        while (message := b.next_message())[0] == "next":
            pass  # who might have made room has said so
        self.assertEqual(message[:2], ["grant", heavy])
        reader = b.permits_token(1)
        self.assertEqual(b.acquire_permits(LOCK, reader, 4, old=heavy)[::2], ["acquired", "released"])
        self.assertEqual(c.next_message()[:2], ["next", light])
        self.assertEqual(c.next_message()[:2], ["grant", light])
        self.assertEqual(b.acquire_permits(LOCK, b.permits_token(1), 4, old=heavy)[2], "not_held")

    def test_permits_are_broken_and_resized(self):
        a = self.client()
        mine = a.permits_token(1)
        self.assertEqual(a.resize(LOCK, 4), "free")
        _, counter = a.acquire_permits(LOCK, mine, 4)
        self.assertEqual(a.resize(LOCK, 2), "resized 4")
        self.assertEqual(a.break_permits(LOCK, counter, "look"), "holds")
        self.assertEqual(a.break_permits(LOCK, counter, "ask"), "asked 1")
        self.assertEqual(a.next_message(), ["break", mine, counter, "0"])
        self.assertEqual(a.break_permits(LOCK, counter, "force"), "broken")
        self.assertEqual(a.break_permits(LOCK, counter, "force"), "not_holder")
        a.acquire_permits(LOCK, mine, 1 << 30)
        self.assertEqual(a.resize(LOCK, 2), "shared")
        self.assertRaisesRegex(Refused, "WRONGTYPE", a.acquire, LOCK, a.token())

    def test_the_library_and_a_second_client_pass_permits_to_each_other(self):
        a = self.client()
        mine = a.permits_token(1 << 30)
        a.acquire_permits(LOCK, mine, 1 << 30)
        with subprocess.Popen([COMMAND, "run", "--url", self.server.url, "-s", LOCK, "true"]) as command:
            self.assert_waiters(keys_of(LOCK)[1], 1)
            again = a.permits_token(1 << 30)
            self.assertEqual(a.acquire_permits(LOCK, again, 1 << 30)[2], "1")
            a.release_permits(LOCK, mine)
            self.assertEqual(command.wait(20), 0)
            while a.next_message()[:2] != ["grant", again]:
                pass
        self.assertEqual(a.release_permits(LOCK, again), ["released"])

    # --- gates ----------------------------------------------------------------------------------

    def test_a_waiter_at_a_condition_is_in_its_queue_until_it_is_woken(self):
        a, b = self.client(), self.client()
        mine = a.token()
        _, ticket = a.at_gate("condition", LOCK, mine, "enter")
        self.assert_waiters(keys_of(f"dlock1:condition:{LOCK}")[1], 1)
        self.assertEqual(a.at_gate("condition", LOCK, mine, "wait", ticket)[:4],
                         ["queued", "-1", "0", ticket])
        self.assertEqual(b.at_gate("condition", LOCK, b.token(), "notify", "", "1", ""),
                         ["acquired", "0"])
        self.assertEqual(a.next_message()[:3], ["grant", mine, "0"])
        self.assertEqual(a.at_gate("condition", LOCK, mine, "wait", ticket), ["acquired", "0"])
        self.assertEqual(a.leave_gate("condition", LOCK, mine), ["not_held"])

    def test_a_latch_opens_at_zero(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        ticket = a.at_gate("latch", LOCK, mine, "wait", "", 2, 60000)[3]
        self.assertEqual(a.at_gate("latch", LOCK, a.token(), "try", "", 2, 60000), ["busy", "-1"])
        for _ in range(2):
            self.assertEqual(b.at_gate("latch", LOCK, other, "count", "", 2, 60000, 1),
                             ["acquired", "1"])
        self.assertEqual(b.at_gate("latch", LOCK, b.token(), "count", "", 2, 60000, 1),
                         ["acquired", "0"])
        self.assertEqual(a.next_message()[:2], ["grant", mine])
        self.assertEqual(b.at_gate("latch", LOCK, b.token(), "try", "", 3, 60000), ["other", "2"])
        self.server.command("FLUSHALL")
        self.assertEqual(a.at_gate("latch", LOCK, mine, "wait", ticket, 2, 60000), ["broken"])

    def test_a_barrier_has_phases_and_breaks(self):
        a, b = self.client(), self.client()
        mine = a.token()
        phase = a.at_gate("barrier", LOCK, mine, "wait", "", 2)[3]
        self.assertEqual(b.at_gate("barrier", LOCK, b.token(), "wait", "", 2), ["acquired", phase])
        self.assertEqual(a.next_message()[:3], ["grant", mine, phase])
        again = a.token()
        self.assertEqual(a.at_gate("barrier", LOCK, again, "wait", "", 2)[3], str(int(phase) + 1))
        self.assertEqual(a.leave_gate("barrier", LOCK, again), ["released"])
        self.assertEqual(b.at_gate("barrier", LOCK, b.token(), "wait", "", 2), ["broken"])
        self.assertEqual(b.at_gate("barrier", LOCK, b.token(), "reset", "", 2),
                         ["acquired", str(int(phase) + 2)])

    def test_a_part_that_ends_without_being_counted_breaks_a_latch(self):
        a, b = self.client(), self.client()
        parts = keys_of_gate("latch", LOCK)[3]
        first, second, lost = a.permits_token(1), a.permits_token(1), a.permits_token(1)
        for part in (first, second, lost):
            a.acquire_permits(parts, part, 3)
            self.assertEqual(a.at_gate("latch", LOCK, a.token(), "join", "", 3, 60000, 0, part),
                             ["acquired", "3"])
        self.assertEqual(a.at_gate("latch", LOCK, a.token(), "count", "", 3, 60000, 1, first),
                         ["acquired", "2"])
        a.release_permits(parts, first)
        self.assertEqual(b.at_gate("latch", LOCK, b.token(), "try", "", 3, 60000), ["busy", "-1"])
        a.release_permits(parts, lost)
        self.assertEqual(b.at_gate("latch", LOCK, b.token(), "try", "", 3, 60000), ["broken"])
        self.assertEqual(a.at_gate("latch", LOCK, a.token(), "count", "", 3, 60000, 1, lost),
                         ["broken"])
        self.assertEqual(a.at_gate("latch", LOCK, a.token(), "count", "", 3, 60000, 2),
                         ["acquired", "0"])
        self.assertEqual(b.at_gate("latch", LOCK, b.token(), "try", "", 3, 60000), ["acquired", "0"])

    def test_latches_and_barriers_can_be_looked_at(self):
        a = self.client()
        self.assertIsNone(a.inspect_gate("latch", LOCK))
        waits, arrives, part = a.token(), a.token(), a.permits_token(1)
        a.acquire_permits(keys_of_gate("latch", LOCK)[3], part, 3)
        a.at_gate("latch", LOCK, a.token(), "join", "", 3, 60000, 0, part)
        a.at_gate("latch", LOCK, a.token(), "count", "", 3, 60000, 1)
        ticket = a.at_gate("latch", LOCK, waits, "wait", "", 3, 60000)[3]
        self.assertEqual(a.inspect_gate("latch", LOCK)[1:], ["3", "2", 0, [part], waits, ticket])
        a.release_permits(keys_of_gate("latch", LOCK)[3], part)
        self.assertEqual(a.inspect_gate("latch", LOCK)[3:5], [1, []])
        _, _, _, phase, now, _ = a.at_gate("barrier", LOCK, arrives, "wait", "", 2)
        self.assertEqual(a.inspect_gate("barrier", LOCK)[1:], ["2", phase, 0, [], arrives, now])

    # --- elections ------------------------------------------------------------------------------

    def test_a_leader_proclaims_keeps_and_resigns(self):
        a, b, other = self.client(), self.client(), self.client()
        mine = a.token()
        leader_key = election_keys_of(LOCK)[1]
        b.command("SSUBSCRIBE", leader_key)
        self.assertEqual(a.proclaim(LOCK, mine, "0", 1, "host-1"), ["not_leader"])
        self.assertEqual(b.leader(LOCK), [-2])
        _, counter = a.acquire(LOCK, mine)
        self.assertEqual(a.proclaim(LOCK, mine, counter, 1, "host-1", life_ms=3000), ["proclaimed"])
        self.assertEqual(b.next_message(), ["changed"])
        self.assertEqual(self.server.command("GET", leader_key).decode(),
                         f"{mine}:{counter}:0:1:host-1")
        self.assertEqual(a.proclaim(LOCK, mine, counter, 1, "host-1", life_ms=90000), ["renewed"])
        self.assertAlmostEqual(self.ttl_ms(leader_key), 90000, delta=5000)
        self.assertEqual(a.proclaim(LOCK, mine, counter, 3, "a:b\n"), ["proclaimed"])
        self.assertEqual(a.proclaim(LOCK, mine, counter, 2, "late"), ["outdated"])
        self.assertEqual(a.proclaim(LOCK, mine, counter, 1, "later", sequence=1), ["proclaimed"])
        self.assertEqual(a.proclaim(LOCK, mine, counter, 9, "late"), ["outdated"])
        self.assertEqual(b.leader(LOCK)[1:], [counter, "1", "1", "later"])
        self.assertEqual(a.proclaim(LOCK, mine, int(counter) + 1, 9, "x"), ["not_leader"])
        self.assertEqual(other.proclaim(LOCK, other.token(), counter, 1, "x"), ["not_leader"])
        self.assertEqual(a.resign(LOCK, mine, counter), ["not_leader"])
        self.assertEqual(a.resign(LOCK, mine, counter, sequence=1), ["resigned"])
        self.assertEqual(a.resign(LOCK, mine, counter, sequence=1), ["not_leader"])
        self.assertEqual([b.next_message() for _ in range(3)], [["changed"]] * 3)
        self.assertEqual(len(b.leader(LOCK)), 1)
        self.assertEqual(a.release(LOCK, mine), ["released"])

    def test_a_value_counts_only_with_the_lock_of_its_leader(self):
        a, b = self.client(), self.client()
        mine, other = a.token(), b.token()
        _, counter = a.acquire(LOCK, mine)
        a.proclaim(LOCK, mine, counter, 1, "host-1")
        left_ms, *leader = b.leader(LOCK)
        self.assertAlmostEqual(left_ms, 30000, delta=5000)
        self.assertEqual(leader[1:], ["0", "1", "host-1"])
        a.release(LOCK, mine)
        self.assertEqual(b.leader(LOCK), [-2])
        _, counter = b.acquire(LOCK, other)
        self.assertEqual(len(b.leader(LOCK)), 1)
        self.assertEqual(b.proclaim(LOCK, other, counter, 1, "host-2"), ["proclaimed"])
        self.assertEqual(b.leader(LOCK)[2:], ["0", "1", "host-2"])

    def be_elected(self):
        a = self.client(user="app", password="secret")
        mine = a.token()
        _, counter = a.acquire(LOCK, mine)
        if "mute" in (reply := a.proclaim(LOCK, mine, counter, 1, "x")):
            raise Refused(" ".join(reply))
        a.proclaim(LOCK, mine, counter, 1, "x")
        a.resign(LOCK, mine, counter)
        a.release(LOCK, mine)

    def observe(self):
        b = self.client(user="app", password="secret", subscribe=False)
        b.command("SSUBSCRIBE", election_keys_of(LOCK)[1])
        self.assertEqual(b.leader(LOCK), [-2])

    def test_the_rights_for_elections_suffice(self):
        self.with_rights(self.rights("client", "candidate"))
        self.be_elected()
        self.with_rights(self.rights("observer"))
        self.observe()
        self.assertEqual(self.server.command("ACL", "LOG"), [])

    def test_each_right_for_elections_is_needed(self):
        self.with_rights(self.rights("client"))
        self.assertRaises(Refused, self.be_elected)
        self.assert_each_is_needed(self.rights("observer"), self.observe)

    # --- rights ---------------------------------------------------------------------------------

    def rights(self, *names):
        words = []
        for name in names:
            blocks = [b for b in self.document.blocks if b.marker == ["rights", name]]
            self.assertEqual(len(blocks), 1, name)
            words += blocks[0].text.replace("PREFIX", "app:").split()
        return words

    def with_rights(self, words):
        self.server.command("ACL", "SETUSER", "app", "reset", "on", ">secret", *words)
        self.server.command("SCRIPT", "FLUSH")
        self.server.command("FLUSHALL")
        self.server.command("ACL", "LOG", "RESET")

    def assert_each_is_needed(self, words, action):
        for word in words:
            if word.startswith(("+", "~", "&")):
                with self.subTest(word):
                    self.with_rights([other for other in words if other != word])
                    with self.assertRaises(Refused):
                        action()

    def everything_a_client_does(self):
        """Raises Refused if a right is missing."""
        options = {"user": "app", "password": "secret"}
        a, b, c = self.client(**options), self.client(**options), self.client(**options)
        a.command("SET", f"dlock1:client:{{dlock1:c:{a.id}}}", "{}", "PX", "600000")
        a.command("PING")
        mine, other, third = a.token(), b.token(), c.token()
        a.acquire(LOCK, mine)
        a.acquire(LOCK, mine)
        a.renew((LOCK, mine, 30000))
        b.acquire(LOCK, other, ticket=server_us() - OLD)
        b.acquire(LOCK, other)
        c.acquire(LOCK, third, ticket=server_us() - OLD + 1000)
        if "mute" in (reply := a.release(LOCK, mine)):
            raise Refused(" ".join(reply))
        b.release(LOCK, other)
        c.acquire(LOCK, c.token(), ticket=server_us() - OLD)
        a.at_gate("barrier", LOCK, a.token(), "wait", "", 2)
        part = a.permits_token(1)
        a.acquire_permits(keys_of_gate("barrier", LOCK)[3], part, 2)
        a.at_gate("barrier", LOCK, a.token(), "join", "", 2, part)
        b.at_gate("barrier", LOCK, b.token(), "wait", "", 2)
        a.at_gate("barrier", LOCK, a.token(), "leave", "", 2, part)
        a.release_permits(keys_of_gate("barrier", LOCK)[3], part)
        self.server.command("SET", LOCK, "theirs", "PX", "30000")
        leaving = c.token()
        c.acquire(LOCK, leaving, ticket=server_us() - OLD)
        c.acquire(LOCK, leaving)
        c.release(LOCK, leaving)
        self.server.command("DEL", LOCK, *keys_of(LOCK)[1:3])
        a.acquire(LOCK, mine)
        a.release(LOCK, mine)
        a.command("DEL", f"dlock1:client:{{dlock1:c:{a.id}}}")
        self.use_permits(a, b)

    def use_permits(self, a, b):
        mine, other = a.permits_token(1), b.permits_token(2)
        _, counter = a.acquire_permits(LOCK, mine, 2)
        a.renew_permits(LOCK, mine, counter)
        b.acquire_permits(LOCK, other, 2, ticket=server_us() - OLD)
        a.break_permits(LOCK, counter, "force")
        b.release_permits(LOCK, other)

    def test_the_rights_of_a_client_suffice(self):
        self.with_rights(self.rights("client"))
        self.everything_a_client_does()

    def test_each_right_for_blocks_is_needed(self):
        def take_and_give_back():
            client = self.client(user="app", password="secret")
            token = client.token()
            client.acquire_bare(LOCK, token)
            client.release_bare(LOCK, token)
        client = self.rights("client")
        self.with_rights(client + self.rights("blocks"))
        take_and_give_back()
        for word in self.rights("blocks"):
            with self.subTest(word):
                self.with_rights(client + [other for other in self.rights("blocks") if other != word])
                with self.assertRaises(Refused):
                    take_and_give_back()

    def test_the_user_that_is_set_up_for_operation_has_these_rights(self):
        blocks = markdown.document("docs/operations.md").blocks
        text = next(block.text for block in blocks if "ACL SETUSER" in block.text)
        words = shlex.split(text.replace("\\\n", " "))
        user = words[words.index("SETUSER") + 4:]
        self.assertEqual(set(user), set(self.rights("client", "blocks", "watch", "reconnect",
                                                     "candidate")))

    def test_each_right_of_a_client_is_needed(self):
        self.assert_each_is_needed(self.rights("client"), self.everything_a_client_does)

    def test_to_wait_for_replicas_needs_one_right_more(self):
        url = self.server.url.replace("://", "://app:secret@")
        for names, says in ((["client"], "wait"), (["client", "replicas"], "0 of 1 replicas had")):
            self.with_rights(self.rights(*names))
            done = subprocess.run([COMMAND, "run", "--url", url, "--prefix", "app:", "--min-replicas",
                                   "1", "--replication-timeout", "10ms", "job", "--", "true"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(done.returncode, 69, done.stdout)
            self.assertIn(says, done.stdout)
        self.assertEqual(self.server.command("ACL", "LOG"), [])

    def look_at_locks(self):
        """Raises Refused if a right is missing; without some the waiters are only not shown."""
        holder, waiter = self.client(), self.client()
        holder.acquire(LOCK, holder.token())
        waiter.acquire(LOCK, waiter.token(), ticket=server_us() - OLD)
        sharer = self.client()
        sharer.acquire_permits("app:shared", sharer.permits_token(1), 1 << 30)
        url = self.server.url.replace("://", "://app:secret@")
        for arguments in (["ls", "--json"], ["info", LOCK.removeprefix("app:")]):
            done = subprocess.run([COMMAND, *arguments, "--url", url, "--prefix", "app:"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode == 69 or waiter.id not in done.stdout:
                raise Refused(done.stdout)
            if arguments[0] == "ls" and sharer.id not in done.stdout:
                raise Refused(done.stdout)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(holder.id, done.stdout)
        waiter.at_gate("latch", LOCK, waiter.token(), "wait", "", 2, 60000)
        done = subprocess.run([COMMAND, "latch", "--show", LOCK, "--url", url],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 69:
            raise Refused(done.stdout)
        self.assertIn("2 of 2 left", done.stdout)

    def test_the_rights_for_looking_suffice(self):
        self.with_rights(self.rights("inspect"))
        self.look_at_locks()
        self.assertEqual(self.server.command("ACL", "LOG"), [])

    def test_each_right_for_looking_is_needed(self):
        self.assert_each_is_needed(self.rights("inspect"), self.look_at_locks)

    def test_the_rights_of_a_client_suffice_for_the_library(self):
        self.with_rights(self.rights("client"))
        url = self.server.url.replace("://", "://app:secret@")
        shared = os.path.join(self.server.directory, "shared")
        commands = [subprocess.Popen([COMMAND, "run", "--url", url, LOCK, "--", "sh", "-c",
                                      f"for i in 1 2 3; do echo {i} >>{shared}; sleep 0.01; done"])
                    for i in range(6)]
        self.assertEqual([command.wait(60) for command in commands], [0] * 6)
        with open(shared) as file:
            lines = file.read().split()
        self.assertEqual(lines, [line for line in lines[::3] for _ in range(3)])
        self.assertEqual(self.server.command("ACL", "LOG"), [])

    def test_the_rights_for_reconnects_are_those_of_killing_a_connection(self):
        self.with_rights(self.rights("client", "reconnect"))
        options = {"user": "app", "password": "secret"}
        old, new = self.client(**options), self.client(**options)
        listed = new.command("CLIENT", "LIST", "ID", old.connection)
        self.assertRegex(listed, rf" name=dlock:{old.id} ")
        self.assertTrue(new.command("CLIENT", "KILL", "ID", old.connection))
        with self.assertRaises(ConnectionError):
            old.command("PING")


if __name__ == "__main__":
    unittest.main()
