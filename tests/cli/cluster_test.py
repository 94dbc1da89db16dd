"""redis+cluster: each lock is on the primary that has its slot, and followed when that changes."""

import json
import pathlib
import sys

from cli_case import CliCase, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster as Servers  # noqa: E402

import unittest  # noqa: E402

# One for each primary: slots 15495, 3300 and 7365.
NAMES = ("a", "b", "c")
QUEUE = "dlock1:qw:{job}"


class Cluster(CliCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster = Servers()
        cls.addClassCleanup(cls.cluster.close)

    def setUp(self):
        super().setUp()
        self.environment["DLOCK_URL"] = self.cluster.url

    def hold_for_long(self, *options):
        holder = self.start("run", "-v", *options, "job", "sh", "-c", "echo in; read line || true")
        holder.expect("in\n")
        return holder

    def queued(self):
        return eventually(lambda: self.cluster.ask("ZCARD", QUEUE) == 1, 30)

    def end(self, holder, waiter):
        holder.close_stdin()
        self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "mine\n"),
                         holder.stderr + waiter.stderr)

    def test_locks_are_where_their_slots_are(self):
        self.assertEqual(len({self.cluster.owner(name).port for name in NAMES}), 3)
        fences = []
        for name in NAMES:
            holder = self.hold(name)
            self.assertTrue(self.cluster.ask("GET", name))
            self.assertEqual(self.dlock("run", "-n", name, "--", "true").returncode, 75)
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)
            self.assertFalse(self.cluster.ask("GET", name))
            result = self.dlock("run", name, "--", "sh", "-c", "echo $DLOCK_FENCE")
            fences.append(int(result.stdout))
        self.assertTrue(all(fence > 0 for fence in fences))

    def test_a_loss_is_told_at_once(self):
        holder = self.hold_for_long("--ttl", "1h")
        owner = self.cluster.owner("job")
        self.assertTrue(eventually(
            lambda: self.cluster.call(owner, "INFO", "stats")["tracking_total_keys"] > 0, 30))
        self.assertEqual(self.cluster.ask("DEL", "job"), 1)
        self.assertEqual(holder.wait(), 73, holder.stderr)

    def test_replicas_are_waited_for_where_the_lock_is(self):
        def run(timeout):
            return self.dlock("run", "--min-replicas=1", "--replication-timeout", timeout,
                              "a", "--and", "b", "--and", "c", "--", "true")
        self.assertEqual(run("20s").returncode, 0)
        owners = [self.cluster.owner(name) for name in NAMES]
        replica = self.cluster.replica_of(owners[1])
        self.addCleanup(replica.cont)
        replica.stop()
        result = run("500ms")
        self.assertEqual(result.returncode, 69, result)
        self.assertIn(b'0 of 1 replicas had the lock "b"', result.stderr)
        for owner, name in zip(owners, NAMES):
            self.assertFalse(self.cluster.call(owner, "GET", name))
        replica.cont()
        self.assertEqual(run("20s").returncode, 0)

    def test_looking_at_all_nodes(self):
        holders = [self.hold(name) for name in NAMES]
        shown = json.loads(self.dlock("ls", "--json").stdout)
        shown = shown["locks"] if isinstance(shown, dict) else shown
        self.assertEqual({lock["name"] for lock in shown}, set(NAMES))
        self.assertTrue(all(lock["holder"]["pid"] for lock in shown), "clients are registered")
        one = json.loads(self.dlock("info", "b", "--json").stdout)
        self.assertEqual(self.dlock("break", "b", "--fence", one["fence"]).returncode, 0)
        for holder, name in zip(holders, NAMES):
            holder.close_stdin()
            self.assertEqual(holder.wait(), 73 if name == "b" else 0)

    def test_a_slot_moves_with_a_lock_that_is_held_and_waited_for(self):
        holder = self.hold_for_long("--ttl", "4s")
        waiter = self.start("run", "job", "--", "echo", "mine")
        self.assertTrue(self.queued())
        token = self.cluster.ask("GET", "job")
        former = self.cluster.owner("job")
        self.cluster.move("job")
        self.assertIsNot(self.cluster.owner("job"), former)
        self.assertEqual(self.cluster.ask("GET", "job"), token)
        self.assertTrue(eventually(lambda: self.cluster.ask("PTTL", "job") > 3500, 30), holder.stderr)
        self.assertFalse(waiter.is_over(), waiter.stderr)
        self.end(holder, waiter)

    def test_a_lock_outlives_a_slot_that_moves_for_long(self):
        holder = self.hold_for_long("--ttl", "2s")
        permit = self.hold("{job}s", "--permits", "3", "--ttl", "2s")  # in the same slot
        waiter = self.start("run", "job", "--", "echo", "mine")
        self.assertTrue(self.queued())
        slot, source, target = self.cluster.begin_move("job")

        def finish():
            self.cluster.move_keys(slot, source, target)
            self.cluster.end_move(slot, target)
        self.addCleanup(finish)  # other tests need the slot
        # The other node is asked by one connection: ASKING is for the next command only.
        with self.cluster.connect(target) as there:
            def left():
                there.execute_command("ASKING")
                return there.execute_command("PTTL", "job")

            def lives_on(ttl):
                """A renewal came, and another. Waits give up after ten seconds of a move."""
                return all(is_renewed(ttl) for _ in range(2))

            def is_renewed(ttl):
                seen = [ttl()]

                def is_more():
                    seen.append(ttl())
                    return seen[-1] > seen[-2] > 0
                return eventually(is_more, 30)

            self.assertTrue(lives_on(lambda: self.cluster.call(source, "PTTL", "job")), holder.stderr)
            self.cluster.move_keys(slot, source, target)
            self.assertTrue(lives_on(left), holder.stderr)
        free = self.start("run", "-v", "{job}free", "--", "true")  # a key that is on neither node
        self.assertTrue(eventually(lambda: "is moving" in free.stderr, 30), free.stderr)
        self.assertFalse(waiter.is_over(), waiter.stderr)
        finish()
        self.assertEqual(free.wait(), 0, free.stderr)
        self.end(holder, waiter)
        permit.close_stdin()
        self.assertEqual(permit.wait(), 0, permit.stderr)

    def test_a_failover_with_a_lock_that_is_held_and_waited_for(self):
        holder = self.hold_for_long("--ttl", "10s")
        waiter = self.start("run", "job", "--", "echo", "mine")
        self.assertTrue(self.queued())
        token = self.cluster.ask("GET", "job")
        self.cluster.fail_over("job")
        self.assertEqual(self.cluster.ask("GET", "job"), token)
        self.assertTrue(eventually(lambda: self.cluster.ask("PTTL", "job") > 9000, 30), holder.stderr)
        self.assertFalse(waiter.is_over(), waiter.stderr)
        self.end(holder, waiter)

    def test_a_slot_that_nobody_has_for_a_while(self):
        holder = self.hold_for_long("--ttl", "30s")
        waiters = [self.start("run", "-v", "job", "--", "echo", "mine"),
                   self.start("run", "-v", "job", "--and", "{job}2", "--", "echo", "mine")]
        self.assertTrue(eventually(lambda: self.cluster.ask("ZCARD", QUEUE) == 2, 30))
        slot, owner = self.cluster.slot("job"), self.cluster.owner("job")
        for server in self.cluster.servers:
            self.cluster.call(server, "CLUSTER", "DELSLOTS", slot)
        try:
            self.cluster.call(owner, "CLIENT", "KILL", "TYPE", "pubsub")
            for waiter in waiters:
                self.assertTrue(eventually(lambda: "has slot" in waiter.stderr, 30), waiter.stderr)
        finally:
            self.cluster.call(owner, "CLUSTER", "ADDSLOTS", slot)
            self.cluster.wait_until_complete()  # also for other tests
        holder.close_stdin()
        self.assertEqual([holder.wait(), *(waiter.wait() for waiter in waiters)], [0, 0, 0],
                         [holder.stderr, *(waiter.stderr for waiter in waiters)])

    def test_a_server_that_is_no_cluster_node_says_so(self):
        port = self.cluster.servers[0].port
        result = self.dlock("run", "--url", f"redis://127.0.0.1:{port}", "job", "--", "true")
        self.assertEqual(result.returncode, 69)
        self.assertIn(b"redis+cluster://", result.stderr)


class Death(CliCase):
    def test_a_primary_that_died_is_replaced(self):
        cluster = Servers()
        self.addCleanup(cluster.close)
        self.environment["DLOCK_URL"] = cluster.url
        self.assertEqual(self.dlock("run", "job", "--", "true").returncode, 0)
        former = cluster.owner("job")
        # The replica has it: else its primary could take it along.
        holder = self.start("run", "--ttl=20s", "--min-replicas=1", "--replication-timeout=20s", "-v",
                            "job", "sh", "-c", "echo in; read line || true")
        holder.expect("in\n")
        former.kill9()
        cluster.wait_for_another("job", former)
        self.assertTrue(eventually(lambda: cluster.ask("PTTL", "job") > 15000, 30), holder.stderr)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0, holder.stderr)

    def test_passwords(self):
        cluster = Servers(password="secret", replicas=0)
        self.addCleanup(cluster.close)
        url = f"redis+cluster://:secret@{cluster.addresses}"
        result = self.dlock("run", "--url", url, "job", "--", "echo", "ran")
        self.assertEqual(result.stdout, b"ran\n", result)
        result = self.dlock("run", "--url", url.replace("secret", "wrong"), "job", "--", "true")
        self.assertEqual(result.returncode, 69)
        self.assertNotIn(b"wrong@", result.stderr)


if __name__ == "__main__":
    unittest.main()
