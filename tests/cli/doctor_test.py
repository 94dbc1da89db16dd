"""dlock doctor: on real servers, what is wrong with each is found, and graded."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import unittest

import redis

from cli_case import CliCase, DLOCK, PATIENCE, rights
from cluster import Cluster
from eventually import eventually
from redis_server import RedisServer
from sentinel import Sentinels

SOUND = ("appendonly yes", "appendfsync everysec")
GRADES = ("ok", "note", "warning", "danger")
TOKEN = "dlock1:" + "0" * 16 + ":" + "0" * 32 + ":3000"  # of a client that is not there


class Doctor(CliCase):
    CONFIG = (*SOUND, "repl-diskless-sync-delay 0")

    def examine(self, *options, url=None, status=None):
        """What it says as JSON; its exit status is that of the worst grade."""
        url = url or self.server.url
        result = self.dlock("doctor", "--json", "--clock", "20ms", "--url", url, *options)
        self.assertEqual(result.stderr, b"")
        report = json.loads(result.stdout)
        worst = max((GRADES.index(finding["grade"]) for finding in report["findings"]))
        self.assertEqual(report["worst"], GRADES[worst])
        self.assertEqual(result.returncode, max(0, worst - 1), report)
        if status is not None:
            self.assertEqual(result.returncode, status, report)
        return report

    def findings(self, subject, *options, server=None, **more):
        """Grades and words of what it finds about a subject."""
        if server:
            more["url"] = server.url
        report = self.examine(*options, **more)
        return [(finding["grade"], finding["what"]) for finding in report["findings"]
                if finding["subject"] == subject]

    def assert_found(self, subject, grade, words, *options, **more):
        found = self.findings(subject, *options, **more)
        self.assertTrue(any(g == grade and re.search(words, what) for g, what in found),
                        f"no {grade} about {subject} with {words!r} in {found}")

    def assert_sound(self, report):
        """Nothing is wrong, but that this machine may be too busy to tell time."""
        bad = [f for f in report["findings"]
               if f["grade"] != "ok" and f["subject"] not in ("clock", "round_trip")]
        self.assertEqual(bad, [])

    def a_server(self, *config):
        server = RedisServer(*config)
        self.addCleanup(server.close)
        return server

    def set(self, name, value):
        """Changes a setting of the class's server for this test."""
        before = self.server.command("CONFIG", "GET", name)
        self.server.command("CONFIG", "SET", name, value)
        self.addCleanup(self.server.command, "CONFIG", "SET", name,
                        list(before.values())[0] if isinstance(before, dict) else before[1])

    def a_user(self, *rights):
        """The URL of a user with these rights."""
        self.server.command("ACL", "SETUSER", "u", "reset", "on", ">secret", *rights)
        self.addCleanup(self.server.command, "ACL", "DELUSER", "u")
        return self.server.url.replace("://", "://u:secret@")

    # --- one server -----------------------------------------------------------------------------

    def test_a_sound_server_has_no_finding_worse_than_ok(self):
        report = self.examine(status=0)
        self.assert_sound(report)
        self.assertEqual(report["url"], self.server.url)
        self.assertEqual([f["subject"] for f in report["findings"]],
                         ["node", "round_trip", "clock", "eviction", "persistence", "clients",
                          "scripts", "pubsub", "replication", "rights", "keys", "queues"])
        address = self.server.url.removeprefix("redis://")
        self.assertEqual({f["node"] for f in report["findings"]}, {address})
        node, = report["nodes"]
        self.assertEqual((node["address"], node["role"]), (address, "primary"))
        self.assertRegex(node["version"], r"\A(redis|valkey) \d+\.")
        self.assertGreater(node["round_trip_us"], 0)
        self.assertLess(abs(node["clock_offset_us"]),
                        node["clock_offset_error_us"] + 1_000_000)
        self.assertGreater(node["clock_drift_error"], 0)

    def test_it_changes_nothing_on_the_server(self):
        self.server.command("SET", "k", "v")
        self.leaves_keys = True
        self.server.command("CONFIG", "RESETSTAT")
        before = self.server.command("INFO", "persistence")["rdb_changes_since_last_save"]
        self.examine()
        after = self.server.command("INFO", "persistence")["rdb_changes_since_last_save"]
        self.assertEqual(before, after)

    def test_a_policy_that_drops_locks_is_a_danger_on_a_server_that_can_fill(self):
        self.set("maxmemory-policy", "volatile-lru")
        self.assert_found("eviction", "note", "no maxmemory", status=0)
        self.set("maxmemory", "500mb")
        self.assert_found("eviction", "danger", "volatile-lru", status=2)

    def test_a_server_that_is_nearly_full_is_a_warning(self):
        used = self.server.command("INFO", "memory")["used_memory"]
        self.set("maxmemory", str(used))
        self.assert_found("eviction", "warning", "of maxmemory is used", status=1)

    def test_what_a_restart_would_lose_is_said(self):
        self.assert_found("persistence", "ok", "everysec")
        self.set("appendfsync", "always")
        self.assert_found("persistence", "ok", "loses nothing")
        self.set("appendfsync", "no")
        self.assert_found("persistence", "warning", "30 s")
        bare = self.a_server()
        self.assert_found("persistence", "warning", "loses all locks", server=bare, status=1)
        bare.command("CONFIG", "SET", "save", "3600 1")
        bare.command("SET", "k", "v")
        self.assert_found("persistence", "warning", "snapshots only.* 1 change now", server=bare)

    def test_few_connections_that_are_left_are_a_warning_and_none_is_a_danger(self):
        server = self.a_server("maxclients 20", *SOUND)
        self.assert_found("clients", "warning", "of maxclients 20: nearly full", server=server)
        self.assertEqual(len(self.findings("clients", server=server)), 1)
        others = [server.client() for _ in range(18)]
        for other in others:
            self.addCleanup(other.close)
            other.ping()
        more = [server.client() for _ in range(3)]
        more[0].ping(), more[1].ping()
        self.assertRaises(redis.ConnectionError, more[2].ping)
        for one in more:
            one.connection_pool.disconnect()
        self.assertTrue(eventually(lambda: others[0].info("clients")["connected_clients"] == 18))
        found = self.findings("clients", server=server)
        self.assertRegex(str(found), r"'danger', '(19|20) of maxclients 20: full'")
        self.assertRegex(str(found), r"'note', .\d connections? refused")

    def test_limits_of_scripts_and_messages_are_looked_at(self):
        self.set("busy-reply-threshold", "10")
        self.assert_found("scripts", "note", "busy-reply-threshold 10 ms")
        self.set("client-output-buffer-limit", "pubsub 10000 0 0")
        self.assert_found("pubsub", "warning", "pubsub 10000 0 0", status=1)

    def test_a_distant_server_is_measured_and_its_drift_cannot_be_told(self):
        relay = self.start_program("python3", "-c", DELAYING_RELAY, str(self.server.port), "0.02")
        relay.expect("\n")
        report = self.examine(url=f"redis://127.0.0.1:{relay.stdout.strip()}")
        self.assertGreaterEqual(report["nodes"][0]["round_trip_us"], 20_000)
        self.assertTrue(any(f["grade"] == "note" and "to tell the drift" in f["what"]
                            for f in report["findings"]))

    # --- keys and queues ------------------------------------------------------------------------

    def test_keys_of_ours_that_never_expire_are_found_and_no_others(self):
        self.leaves_keys = True
        self.server.command("SET", "theirs", "value")
        self.server.command("ZADD", "scores", 1, "a")
        self.server.command("HSET", "hash", "a", "b")
        holder = self.hold("mine")
        sharer = self.hold("shared", "--permits", "2")
        self.assertEqual(self.findings("keys"), [("ok", "all keys of dlock expire")])
        self.server.command("PERSIST", "mine")
        self.server.command("PERSIST", "shared")
        self.server.command("SET", "dlock1:client:" + "0" * 16, "{}")
        self.assert_found("keys", "warning", r"3 of dlock.s keys .*: (mine|shared|dlock1\S+) ", status=1)
        self.assert_found("keys", "warning", "1 of dlock.s keys .*: dlock1:client:0", "--prefix", "app:")
        for one in (holder, sharer):
            one.close_stdin()
            self.assertEqual(one.wait(), 0)

    def test_a_queue_whose_waiters_are_gone_is_found_and_one_that_waits_is_not(self):
        self.leaves_keys = True
        self.server.command("ZADD", "dlock1:qw:{gone}", 1, TOKEN)
        self.server.command("EXPIRE", "dlock1:qw:{gone}", 60)
        holder = self.hold("x")
        waiter = self.start("run", "x", "--", "true")
        self.wait_for_waiters("x", 1)
        self.assertEqual(self.findings("queues"),
                         [("note", "1 with no waiter left alive: dlock1:qw:{gone}")])
        holder.close_stdin()
        self.assertEqual([holder.wait(), waiter.wait()], [0, 0])

    def test_the_walk_over_keys_has_an_end(self):
        self.leaves_keys = True
        self.server.command("DEBUG", "POPULATE", 5000)
        self.assertEqual(self.findings("keys"), [("ok", "all keys of dlock expire")])
        self.assert_found("keys", "note", "among the first 1000 keys of 5000; the walk ended there",
                          "--keys", "1000")

    # --- rights ---------------------------------------------------------------------------------

    def test_each_missing_right_is_named_with_its_grant(self):
        url = self.a_user("~app:*", "~dlock1:*", "&dlock1:c:*", "+@all", "-zpopmin", "-client|kill")
        report = self.examine("--prefix", "app:", url=url, status=2)
        found = [(f["grade"], f["what"], f["fix"]) for f in report["findings"]
                 if f["subject"] == "rights"]
        self.assertEqual(found, [
            ("danger", "missing to have locks: +zpopmin", "ACL SETUSER USER +zpopmin"),
            ("note", "missing to end a former connection: +client|kill",
             "ACL SETUSER USER +client|kill"),
            ("note", "missing to be elected: &dlock1:l*", "ACL SETUSER USER &dlock1:l*")])
        self.server.command("ACL", "SETUSER", "u", *(f[2].split()[-1] for f in found))
        self.assertEqual(self.findings("rights", "--prefix", "app:", url=url),
                         [("ok", "no right is missing")])
        self.assert_found("rights", "danger", r"locks: ~\*", url=url)

    def test_the_rights_of_a_tenant_are_enough_to_have_locks_and_be_elected(self):
        words = [*rights.documented("tenant"),
                 *(word for word in rights.documented("client") if word[0] == "+")]
        url = self.a_user(*(word.replace("PREFIX", "app:") for word in words))
        missing = [what for _, what in self.findings("rights", "--prefix", "app:", url=url)]
        self.assertEqual([what.split(":")[0] for what in missing],
                         ["missing to take free locks without scripts",
                          "missing to hear of a loss at once",
                          "missing to end a former connection", "missing to look at locks"])
        self.assert_found("rights", "danger", r"~dlock1:\*", "--prefix", "other:", url=url)

    def test_what_replicas_and_a_cluster_need_is_said_where_there_are_some(self):
        rights = ("~*", "&*", "+@all", "-wait", "-asking", "-cluster|slots")
        url = self.a_user(*rights)
        self.assertEqual(self.findings("rights", url=url), [("ok", "no right is missing")])
        self.a_server(f"replicaof 127.0.0.1 {self.server.port}")
        self.assertTrue(eventually(
            lambda: self.findings("rights", url=url) == [("note", "missing to wait for replicas: +wait")]))
        cluster = Cluster(replicas=0)
        self.addCleanup(cluster.close)
        for server in cluster.servers:
            cluster.call(server, "ACL", "SETUSER", "u", "reset", "on", ">secret", *rights[:-1])
        url = cluster.url.replace("://", "://u:secret@")
        self.assertEqual(self.findings("rights", url=url),
                         [("danger", "missing for a cluster: +asking")] * 3)

    def test_what_may_not_be_looked_at_is_said_and_the_rest_is_looked_at(self):
        url = self.a_user("~*", "&*", "+@all", "-info", "-config|get", "-scan", "-time",
                          "-pubsub|shardnumsub")
        report = self.examine(url=url, status=2)
        unknown = {f["subject"]: f["what"] + "; " + f["fix"] for f in report["findings"]
                   if f["what"].startswith("not known")}
        self.assertEqual(set(unknown), {"round_trip", "eviction", "persistence", "clients",
                                        "scripts", "pubsub", "replication", "keys", "queues"})
        for subject, right in (("round_trip", "time"), ("eviction", "info"),
                               ("pubsub", "config|get"), ("keys", "scan")):
            self.assertIn(f"+{right}", unknown[subject])
        self.assert_found("rights", "danger", r"locks: \+time", url=url)

    def test_a_user_who_may_not_run_scripts_is_told_so(self):
        url = self.a_user("~*", "&*", "+@all", "-eval")
        self.assert_found("rights", "danger", r"\+eval", url=url)

    # --- many servers ---------------------------------------------------------------------------

    def test_a_replica_is_no_place_for_locks(self):
        replica = self.a_server(f"replicaof 127.0.0.1 {self.server.port}", *SOUND)
        self.assert_found("node", "danger", "is a replica", server=replica, status=2)

    def test_a_replica_that_hangs_is_a_note(self):
        replica = self.a_server(f"replicaof 127.0.0.1 {self.server.port}")
        def states():
            return [what for _, what in self.findings("replication")]
        self.assertTrue(eventually(lambda: any("online" in what for what in states()), PATIENCE))
        self.assert_found("replication", "note", "nothing promotes", status=0)
        replica.stop()
        self.addCleanup(replica.cont)
        self.assert_found("node", "note", "replica: .*did not answer")

    def test_sentinels_their_servers_and_what_ails_them(self):
        there = Sentinels()
        self.addCleanup(there.close)
        report = self.examine(url=there.url, status=1)
        self.assertEqual(sorted(node["role"] for node in report["nodes"]),
                         ["primary", "replica", "replica", "sentinel", "sentinel", "sentinel"])
        said = [f["what"] for f in report["findings"] if f["subject"] == "sentinel"]
        self.assertEqual(said, ["3 Sentinels and 2 replicas known, quorum 2"] * 3)
        self.assert_found("clock", "ok", "of the servers are .* apart", url=there.url)
        self.assert_found("replication", "warning", "min-replicas-to-write 0", url=there.url)
        there.call(there.primary(), "CONFIG", "SET", "min-replicas-to-write", "1")
        self.assert_found("replication", "ok", "min-replicas-to-write 1", url=there.url)
        for sentinel in there.sentinels[1:]:
            sentinel.kill9()
        self.assertTrue(eventually(lambda: any(
            grade == "warning" and "NOQUORUM" in what
            for grade, what in self.findings("sentinel", url=there.url)), PATIENCE))
        self.assert_found("node", "warning", "sentinel: ", url=there.url)

    # --- how it says it -------------------------------------------------------------------------

    def test_text_is_plain_in_a_pipe_and_coloured_on_a_terminal(self):
        arguments = [DLOCK, "doctor", "--clock", "20ms", "--url", self.server.url]
        plain = subprocess.run(arguments, stdout=subprocess.PIPE, env=self.environment, check=True)
        self.assertRegex(plain.stdout.decode(), r"(?m)^  ok       eviction +maxmemory-policy ")
        self.assertNotIn(b"\x1b", plain.stdout)
        for line in plain.stdout.decode().splitlines():
            self.assertLessEqual(len(line), 100)
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        subprocess.run(arguments, stdout=side, env=self.environment, check=True)
        os.close(side)
        text = b""
        while b"danger: 0" not in text:
            text += os.read(main, 65536)
        self.assertIn(b"\x1b[32mok", text)

    def test_a_server_that_is_not_there_is_unreachable(self):
        result = self.dlock("doctor", "--url", "redis://127.0.0.1:1")
        self.assertEqual((result.returncode, result.stdout), (69, b""))
        self.assert_one_message(result.stderr)
        sentinel = "redis+sentinel://127.0.0.1:1/main"
        self.assertEqual(self.dlock("doctor", "--url", sentinel).returncode, 69)

    def test_a_private_server_is_sound(self):
        url = f"local:{self.directory}"
        report = self.examine(url=url, status=0)
        self.assert_sound(report)
        self.assertIn(f", in {self.directory}", report["findings"][0]["what"])
        subprocess.run(["redis-cli", "-s", self.directory / "redis.sock", "SHUTDOWN"], check=True)

    def test_a_private_server_without_its_directory_is_endangered(self):
        url = f"local:{self.directory}/dlock"
        holder = self.start("run", "--url", url, "one", "-c", "echo held; cat")
        holder.expect("held")
        pid = int((self.directory / "dlock/redis.pid").read_text())
        self.addCleanup(os.kill, pid, signal.SIGTERM)
        shutil.rmtree(self.directory / "dlock")
        report = self.examine(url=url, status=1)
        self.assertEqual(report["findings"][0]["grade"], "warning")
        self.assertIn("removed", report["findings"][0]["what"])
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)


# Prints its port; passes all on to the port of its first argument, each piece after the second's
# seconds.
DELAYING_RELAY = """
import asyncio, sys

async def pump(reader, writer):
    while piece := await reader.read(65536):
        await asyncio.sleep(float(sys.argv[2]) / 2)
        writer.write(piece)
    writer.close()

async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

if __name__ == "__main__":
    unittest.main()
