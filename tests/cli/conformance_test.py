"""Every primitive on every kind of store that the command can speak to.

What else each store has to do (fail over, move slots, refuse certificates) is in tests of its own.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from cli_case import DLOCK, CliCase, RedisServer, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from certificates import Authority  # noqa: E402
from cluster import Cluster as ClusterServers  # noqa: E402
from lesser_server import OTHER_PYTHON, LesserServer, in_lua54  # noqa: E402
from redis_server import free_port  # noqa: E402
from sentinel import Sentinels  # noqa: E402
from tls_server import TlsServer  # noqa: E402

import unittest  # noqa: E402

DEPS = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"], ".deps")
VALKEY = next(map(str, DEPS.glob("valkey-lite/**/valkey-server")), None) or shutil.which("valkey-server")


class Mutexes:
    """What a mutex does. Mixed into a case for each store, whose `make_store()` starts it and
    returns its URL."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.url = cls.make_store()

    @classmethod
    def make_directory(cls):
        directory = tempfile.TemporaryDirectory(prefix="dlock-test-")
        cls.addClassCleanup(directory.cleanup)
        return directory.name

    def setUp(self):
        super().setUp()
        self.environment["DLOCK_URL"] = self.url

    def hold(self, name, *options):
        holder = self.start("run", "-v", *options, name, "sh", "-c", "echo fence $DLOCK_FENCE; read line || true")
        holder.fence = int(holder.word_after("fence"))
        return holder

    def let_go(self, holder, status=0):
        holder.close_stdin()
        self.assertEqual(holder.wait(), status, holder.stderr)

    def is_free(self, *options):
        result = self.dlock("run", "-n", *options, "--", "true")
        self.assertIn(result.returncode, (0, 75), result)
        return result.returncode == 0

    def test_one_holds_and_the_next_gets_it_with_a_greater_fence(self):
        holder = self.hold("job")
        self.assertFalse(self.is_free("job"))
        waiter = self.start("run", "job", "--", "sh", "-c", "echo fence $DLOCK_FENCE")
        self.let_go(holder)
        self.assertGreater(int(waiter.word_after("fence")), holder.fence)
        self.assertEqual(waiter.wait(), 0, waiter.stderr)

    def test_many_never_mix(self):
        record = pathlib.Path(self.directory) / "record"
        script = f"for i in a b c d; do printf $i >> {record}; done"
        crowd = [self.start("run", "crowd", "--", "sh", "-c", script) for _ in range(6)]
        for member in crowd:
            self.assertEqual(member.wait(), 0, member.stderr)
        self.assertEqual(record.read_text(), "abcd" * 6)

    def test_a_wait_has_an_end_and_leaves_nothing(self):
        holder = self.hold("job")
        self.assertEqual(self.dlock("run", "-w", "0.2", "job", "--", "true").returncode, 75)
        self.let_go(holder)
        self.assertTrue(self.is_free("job"))

    def test_several_at_once_or_none(self):
        holder = self.hold("c")
        both = ("a", "--and", "b", "--and", "c")
        self.assertFalse(self.is_free(*both))
        self.assertTrue(self.is_free("a") and self.is_free("b"))
        self.let_go(holder)
        self.assertTrue(self.is_free(*both))

    def test_once_in_a_period(self):
        once = ("run", "--at-least", "30s", "-E", "9", "nightly", "--", "true")
        self.assertEqual([self.dlock(*once).returncode for _ in range(2)], [0, 9])

    def test_holders_are_seen_and_can_be_broken(self):
        holder = self.hold("job")
        seen = json.loads(self.dlock("info", "job", "--json").stdout)
        self.assertEqual((seen["fence"], seen["holder"]["pid"]), (str(holder.fence), holder.pid))
        self.assertIn(b"job", self.dlock("ls").stdout)
        self.assertEqual(self.dlock("break", "job", "--fence", str(holder.fence - 1)).returncode, 75)
        self.assertEqual(self.dlock("break", "job", "--fence", str(holder.fence)).returncode, 0)
        self.assertEqual(holder.wait(), 73, holder.stderr)
        self.assertTrue(eventually(lambda: self.is_free("job")))

    def test_a_leader_is_seen(self):
        leader = self.start("elect", "--value", "me", "web", "sh", "-c", "echo in; read line || true")
        leader.expect("in\n")
        self.assertEqual(self.dlock("elect", "--show", "web").stdout, b"me\n")
        listener = self.start("elect", "--listen", "web")
        listener.expect("me")
        leader.close_stdin()
        self.assertEqual(leader.wait(), 0, leader.stderr)
        self.assertTrue(eventually(lambda: self.dlock("elect", "--show", "web").returncode == 75))


class ReadersAndWriters(Mutexes):
    """What a reader-writer lock does."""

    def test_readers_share_and_writers_do_not(self):
        readers = [self.hold("doc", "--shared") for _ in range(2)]
        self.assertNotEqual(readers[0].fence, readers[1].fence)
        self.assertTrue(self.is_free("--shared", "doc"))
        self.assertFalse(self.is_free("-x", "doc"))
        writer = self.start("run", "-x", "doc", "--", "sh", "-c", "echo wrote $DLOCK_FENCE")
        for reader in readers:
            self.let_go(reader)
        self.assertGreater(int(writer.word_after("wrote")), max(one.fence for one in readers))
        self.assertEqual(writer.wait(), 0, writer.stderr)

    def test_readers_behind_a_waiting_writer_wait(self):
        reader = self.hold("doc", "--shared")
        writer = self.start("run", "-x", "doc", "--", "sh", "-c", "echo in; read line || true")
        self.assertTrue(eventually(lambda: not self.is_free("--shared", "doc")))
        self.assertEqual(self.dlock("run", "-w", "0.2", "-s", "doc", "--", "true").returncode, 75)
        next_reader = self.start("run", "-s", "doc", "--", "echo", "read")
        self.let_go(reader)
        writer.expect("in\n")
        self.assertFalse(self.is_free("--shared", "doc"))
        self.let_go(writer)
        self.assertEqual((next_reader.wait(), next_reader.stdout), (0, "read\n"), next_reader.stderr)

    def test_a_crowd_of_writers_and_readers_never_mixes(self):
        record = pathlib.Path(self.directory) / "shared-record"
        record.touch()
        write = f"for i in a b c d; do printf $i >> {record}; done"
        read = f"[ $(( $(wc -c < {record}) % 4 )) = 0 ]"
        crowd = [self.start("run", *mode, "crowd", "--", "sh", "-c", script)
                 for _ in range(4) for mode, script in ((("-x",), write), (("-s",), read))]
        for member in crowd:
            self.assertEqual(member.wait(), 0, member.stderr)
        self.assertEqual(record.read_text(), "abcd" * 4)

    def hold_both(self, ttl):
        """A mutex, and a lock of a reader, each with its name and how another would wait for it."""
        return [(self.hold("job", "--ttl", ttl), "job", ("job",)),
                (self.hold("doc", "--shared", "--ttl", ttl), "doc", ("-x", "doc"))]

    def test_holders_that_died_are_replaced_after_their_ttl(self):
        both = self.hold_both("1s")
        for holder, *_ in both:
            holder.process.kill()
            holder.wait()
        for holder, _, other in both:
            result = self.dlock("run", *other, "--", "sh", "-c", "echo $DLOCK_FENCE")
            self.assertGreater(int(result.stdout), holder.fence, result)

    def test_leases_are_renewed(self):
        both = self.hold_both("5s")  # a machine that stands still for 3 s loses none
        waiters = [self.start("run", *other, "--", "true") for *_, other in both]
        for holder, name, _ in both:
            lefts = []

            def is_renewed():
                lefts.append(json.loads(self.dlock("info", name, "--json").stdout)["ttl_left_ms"])
                return lefts[-1] > min(lefts) + 500
            self.assertTrue(eventually(is_renewed), (lefts, holder.stderr))
        for (holder, *_), waiter in zip(both, waiters):
            self.assertFalse(waiter.is_over(), (waiter.stderr, holder.stderr))
            self.let_go(holder)
            self.assertEqual(waiter.wait(), 0, waiter.stderr)

    def test_readers_and_writers_are_seen_and_can_be_broken(self):
        readers = sorted((self.hold("doc", "--shared") for _ in range(2)), key=lambda one: one.fence)
        seen = json.loads(self.dlock("info", "doc", "--json").stdout)
        self.assertEqual([(holder["fence"], holder["role"]) for holder in seen["holders"]],
                         [(str(one.fence), "reader") for one in readers])
        self.assertIn(b"doc", self.dlock("ls").stdout)
        self.assertEqual(self.dlock("break", "doc", "--fence", str(readers[1].fence)).returncode, 0)
        self.assertEqual(readers[1].wait(), 73, readers[1].stderr)
        self.let_go(readers[0])
        writer = self.hold("doc", "-x")
        self.assertEqual(self.dlock("break", "doc", "--fence", str(writer.fence)).returncode, 0)
        self.assertEqual(writer.wait(), 73, writer.stderr)
        self.assertTrue(eventually(lambda: self.is_free("-x", "doc")))


class Family(ReadersAndWriters):
    """The other primitives, which a quorum does not have."""

    def test_permits_are_counted(self):
        holders = [self.hold("gpu", "--permits", "3") for _ in range(2)]
        self.assertFalse(self.is_free("--permits", "3", "--weight", "2", "gpu"))
        self.assertTrue(self.is_free("--permits", "3", "gpu"))
        for holder in holders:
            self.let_go(holder)

    def test_a_latch_opens(self):
        waiter = self.start("latch", "--count", "2", "ready")
        for _ in range(2):
            self.assertEqual(self.dlock("latch", "--count", "2", "--down", "ready").returncode, 0)
        self.assertEqual(waiter.wait(), 0, waiter.stderr)

    def test_a_barrier_lets_all_pass(self):
        parties = [self.start("barrier", "--parties", "3", "phase") for _ in range(3)]
        for party in parties:
            self.assertEqual(party.wait(), 0, party.stderr)


class Tcp(Family, CliCase):
    @classmethod
    def make_store(cls):
        server = RedisServer()
        cls.addClassCleanup(server.close)
        return server.url


class Unix(Family, CliCase):
    @classmethod
    def make_store(cls):
        server = RedisServer()
        cls.addClassCleanup(server.close)
        return server.unix_url


class Tls(Family, CliCase):
    @classmethod
    def make_store(cls):
        authority = Authority(cls.make_directory())
        server = TlsServer(authority, authority.issue("server", "DNS:localhost"))
        cls.addClassCleanup(server.close)
        return server.tls_url(ca=authority.ca)


@unittest.skipUnless(VALKEY, "valkey-server is not installed")
class Valkey(Family, CliCase):
    @classmethod
    def make_store(cls):
        server = RedisServer(binary=VALKEY)
        cls.addClassCleanup(server.close)
        return server.url


class Local(Family, CliCase):
    @classmethod
    def make_store(cls):
        directory = cls.make_directory()
        shut_down = ["redis-cli", "-s", f"{directory}/redis.sock", "SHUTDOWN", "NOSAVE"]
        cls.addClassCleanup(subprocess.run, shut_down, check=True)
        url = f"local:{directory}"
        # On a busy machine the start of a server may take longer than a client waits.
        start = [DLOCK, "run", "--url", url, "first", "--", "true"]
        assert eventually(lambda: subprocess.run(start, stderr=subprocess.DEVNULL).returncode == 0)
        return url


class Sentinel(Family, CliCase):
    @classmethod
    def make_store(cls):
        servers = Sentinels()
        cls.addClassCleanup(servers.close)
        return servers.url


class Cluster(Family, CliCase):
    @classmethod
    def make_store(cls):
        servers = ClusterServers()
        cls.addClassCleanup(servers.close)
        return servers.url


class Lesser(Family):
    """What some services have in place of a whole server."""

    WAYS = ()

    @classmethod
    def make_store(cls):
        server = RedisServer()
        cls.addClassCleanup(server.close)
        lesser = LesserServer(server.socket_path, ways=cls.WAYS)
        cls.addClassCleanup(lesser.close)
        return lesser.url


class WithoutHello(Lesser, CliCase):
    WAYS = ("resp2",)


class HelloInResp2(Lesser, CliCase):
    WAYS = ("hello2",)


class Endpoint(Lesser, CliCase):
    """A cluster of one node, which shows none of that but its slots."""

    WAYS = ("endpoint",)

    @classmethod
    def make_store(cls):
        server = RedisServer("cluster-enabled yes", f"cluster-port {free_port()}")
        cls.addClassCleanup(server.close)
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        assert eventually(lambda: "cluster_state:ok" in str(server.command("CLUSTER", "INFO")))
        lesser = LesserServer(server.socket_path, ways=cls.WAYS)
        cls.addClassCleanup(lesser.close)
        return lesser.url


class EndpointInResp2(Endpoint):
    WAYS = ("endpoint", "resp2")


class EndpointOfSeveral(Endpoint):
    """The same with three nodes, to which the endpoint sends what is of their slots."""

    @classmethod
    def make_store(cls):
        servers = ClusterServers(replicas=0)
        cls.addClassCleanup(servers.close)
        lesser = LesserServer(*(server.socket_path for server in servers.servers), ways=cls.WAYS)
        cls.addClassCleanup(lesser.close)
        return lesser.url


@unittest.skipUnless(OTHER_PYTHON.exists(), "no Python with Lua")
class Lua54(Family, CliCase):
    """Scripts in another Lua, which does not know their first line."""

    MORE = ()

    @classmethod
    def make_store(cls):
        server = RedisServer()
        cls.addClassCleanup(server.close)
        url, process = in_lua54(server, *cls.MORE)
        cls.addClassCleanup(process.communicate)
        return url


class Lua54InResp2(Lua54):
    MORE = ("resp2",)


class Quorum(ReadersAndWriters, CliCase):
    COUNT = 3

    @classmethod
    def make_store(cls):
        servers = [RedisServer() for _ in range(cls.COUNT)]
        for server in servers:
            cls.addClassCleanup(server.close)
        return "redis+quorum://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)

    def test_what_a_majority_cannot_promise_is_refused(self):
        for command in (("run", "--permits", "3", "gpu", "--", "true"),
                        ("latch", "--count", "2", "ready"), ("barrier", "--parties", "2", "phase")):
            result = self.dlock(*command)
            self.assertEqual(result.returncode, 64, result)
            self.assertIn(b"a quorum supports only", result.stderr)


class QuorumOfFive(Quorum):
    COUNT = 5


if __name__ == "__main__":
    unittest.main()
