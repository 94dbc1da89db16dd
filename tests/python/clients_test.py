"""Where the locks live: the clients of redis-py whose settings are taken over, and URLs."""

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from datetime import datetime, timedelta, timezone

from package_case import LONG, PackageCase, RedisServer, eventually  # isort: split

from certificates import Authority
from cluster import Cluster
from redis_server import free_port
from sentinel import SERVICE, Sentinels
from tls_server import TlsServer

import redis
import redis.asyncio
import redis.cluster
import redis.sentinel
from distributed_lock import (Client, DistributedLock, DistributedLockError, Unreachable,
                              UsageError)


VALKEY = next(map(str, pathlib.Path(os.environ["DLOCK_SOURCE_DIR"], ".deps").glob(
    "valkey-lite/**/valkey-server")), None) or shutil.which("valkey-server")


class Clients(PackageCase):
    def assert_locks(self, client, key_client):
        with DistributedLock(client, lock_name="job"):
            self.assertTrue(key_client.exists("job"))

    def locks(self, client):
        try:
            with DistributedLock(client, lock_name="job"):
                return bool(client.exists("job"))
        except (DistributedLockError, redis.RedisError):
            return False

    @unittest.skipUnless(VALKEY, "valkey-server is not installed")
    def test_valkey_deletes_the_key_by_its_value(self):
        with RedisServer(binary=VALKEY) as server, redis.Redis(port=server.port) as client:
            def deletions_of(locks):
                client.config_resetstat()
                for _ in range(locks):
                    self.assert_locks(client, client)
                    self.assertFalse(client.exists("job"))
                calls = client.info("commandstats").get("cmdstat_delifeq", {})
                return calls.get("calls", 0), calls.get("rejected_calls", 0)
            deletions, refused = deletions_of(6)
            self.assertGreater(deletions, 0)
            self.assertEqual(refused, 0)
            # Without the right, the script does it from the first refusal on.
            client.execute_command("ACL", "SETUSER", "default", "-delifeq")
            self.assertEqual(deletions_of(6), (0, 1))

    def test_settings_of_a_client_are_taken_over(self):
        self.redis.execute_command("ACL", "SETUSER", "ann", "on", ">p@ss:w/rd", "~*", "&*", "+@all")
        port, path = self.server.port, self.server.socket_path
        for options in ({"port": port, "db": 3}, {"unix_socket_path": path, "db": 2},
                        {"port": port, "username": "ann", "password": "p@ss:w/rd"},
                        {"unix_socket_path": path, "username": "ann", "password": "p@ss:w/rd"}):
            with self.subTest(options), redis.Redis(**options) as client:
                self.assert_locks(client, client)
        with redis.Redis.from_url(f"redis://localhost:{port}/5") as client:
            self.assert_locks(client, client)

    def test_clients_of_asyncio_are_taken(self):
        self.assert_locks(redis.asyncio.Redis(port=self.server.port), self.redis)

    def test_urls_are_taken(self):
        self.assert_locks(self.server.url, self.redis)
        self.assert_locks(self.server.unix_url, self.redis)

    def test_the_url_of_a_quorum_is_taken(self):
        servers = [self.server, RedisServer(), RedisServer()]
        for server in servers[1:]:
            self.addCleanup(server.close)
        url = "redis+quorum://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
        with DistributedLock(url, lock_name="job"):
            self.assertTrue(eventually(
                lambda: all(server.command("EXISTS", "job") for server in servers), LONG))

    def test_nobody_gets_a_private_server_by_mistake(self):
        with self.assertRaisesRegex(UsageError, "the URL is empty"):
            DistributedLock("", lock_name="job")
        program = ("from distributed_lock import DistributedLock, UsageError\n"
                   "try:\n    DistributedLock(lock_name='job').acquire()\n"
                   "except UsageError as error:\n    print(error)\n")
        for variables, words in (({"DLOCK_URL": ""}, "DLOCK_URL is set, but empty"),
                                 ({"DLOCK_REQUIRE_URL": "1"}, "DLOCK_REQUIRE_URL requires one")):
            environment = {k: v for k, v in os.environ.items() if k != "DLOCK_URL"}
            done = subprocess.run([sys.executable, "-c", program], env={**environment, **variables},
                                  stdout=subprocess.PIPE, text=True, check=True)
            self.assertIn(words, done.stdout)

    def test_a_quorum_with_one_server_under_two_names_is_refused(self):
        other = RedisServer()
        self.addCleanup(other.close)
        port = self.server.port
        url = f"redis+quorum://127.0.0.1:{port},localhost:{port},127.0.0.1:{other.port}"
        with self.assertRaisesRegex(UsageError, "are the same server"):
            with DistributedLock(url, lock_name="job"):
                self.fail("it was granted")

    def test_a_private_server_is_started(self):
        with tempfile.TemporaryDirectory(prefix="dlock-test-") as directory:
            process = self.start("import sys; from distributed_lock import Mutex\n"
                                 "with Mutex('local:' + sys.argv[1], 'job').acquire() as lease:\n"
                                 "    print(lease.fence)", directory)
            try:
                self.assertGreater(int(self.assert_ends(process)[0]), 0)
            finally:
                with redis.Redis(unix_socket_path=f"{directory}/redis.sock") as client:
                    client.shutdown(nosave=True)

    def test_clients_of_sentinel_are_taken_and_follow_a_failover(self):
        sentinels = Sentinels(password="secret@:/", sentinel_password="other")
        self.addCleanup(sentinels.close)
        manager = redis.sentinel.Sentinel(
            [("127.0.0.1", one.port) for one in sentinels.sentinels], password="secret@:/", db=2,
            sentinel_kwargs={"password": "other"})
        with manager.master_for(SERVICE) as client:
            self.assert_locks(client, client)
            sentinels.fail_over()
            # Until the Sentinels have told the old primary, it takes locks too.
            self.assertTrue(eventually(lambda: self.locks(client), LONG))
            self.assert_locks(sentinels.url.replace("//", "//:secret%40%3A%2F@")
                              + "/2?sentinel_password=other", client)

    def test_the_credential_provider_of_a_client_is_asked_for_each_connection(self):
        asked = []

        class Provider(redis.CredentialProvider):
            password = "first"

            def get_credentials(self):
                asked.append(self.password)
                return "ann", self.password

        class AsyncProvider(redis.CredentialProvider):
            def get_credentials(self):
                raise NotImplementedError

            async def get_credentials_async(self):
                await asyncio.sleep(0)
                return "ann", "first"

        self.redis.execute_command("ACL", "SETUSER", "ann", "on", ">first", "~*", "&*", "+@all")
        provider = Provider()
        client = redis.Redis(port=self.server.port, credential_provider=provider)
        self.assert_locks(client, self.redis)
        self.assertIn("first", asked)
        lock = DistributedLock(client, lock_name="held", lock_ttl=60)
        with lock:
            provider.password = "second"
            self.redis.execute_command("ACL", "SETUSER", "ann", "resetpass", ">second")
            self.redis.execute_command("CLIENT", "KILL", "USER", "ann")
            self.assert_locks(client, self.redis)
            lock.ensure_held()
        self.assertIn("second", asked)
        self.redis.execute_command("ACL", "SETUSER", "ann", "resetpass", ">first")
        other = redis.asyncio.Redis(port=self.server.port, credential_provider=AsyncProvider())
        self.assert_locks(other, self.redis)

    def test_a_function_gives_credentials_and_says_until_when(self):
        self.redis.execute_command("ACL", "SETUSER", "ann", "on", ">first", "~*", "&*", "+@all")
        users = iter(["ann", "bob"])
        self.redis.execute_command("ACL", "SETUSER", "bob", "on", ">first", "~*", "&*", "+@all")
        until = datetime.now(timezone.utc) + timedelta(seconds=0.5)
        client = Client(self.server.url, credentials=lambda: (
            (next(users, "bob"), "first", until) if not self.users() else ("bob", "first")))
        with DistributedLock(client, "job"):
            self.assertTrue(eventually(lambda: "bob" in self.users(), LONG))
            self.assertEqual(client.stats().reconnects, 0)

    def users(self):
        return {one["user"] for one in self.redis.client_list() if one["name"].startswith("dlock")}

    def test_what_the_function_raises_is_told(self):
        def no_token():
            raise RuntimeError("the token service is down")

        client = Client(self.server.url, credentials=no_token)
        with self.assertRaisesRegex(Unreachable, "the token service is down"):
            DistributedLock(client, "job").acquire(blocking=False)
        with self.assertRaises(UsageError):
            Client(self.server.url, credentials="secret")

    def test_what_cannot_be_taken_over_yet_is_told(self):
        provider = redis.UsernamePasswordCredentialProvider("ann", "secret")
        replica = redis.sentinel.Sentinel([("localhost", 1)]).slave_for("main")
        remapped = redis.asyncio.RedisCluster("localhost", address_remap=lambda address: address)
        provided = redis.sentinel.Sentinel(
            [("localhost", 1)], sentinel_kwargs={"credential_provider": provider}).master_for("main")
        half_tls = redis.sentinel.Sentinel([("localhost", 1)], ssl=True).master_for("main")
        for client, word in ((replica, "Sentinel"), (half_tls, "TLS settings of the Sentinels"),
                             (remapped, "address_remap"),
                             (provided, "credential_provider"),
                             (redis.Redis(ssl=True, ssl_ca_path="/certificates"), "ssl_ca_path"),
                             (7, "int")):
            with self.subTest(word), self.assertRaisesRegex(UsageError, word):
                DistributedLock(client, lock_name="job")

    def test_one_connection_serves_all_locks(self):
        for number in range(3):
            with DistributedLock(self.redis, lock_name=f"job{number}"):
                pass
        ours = [client for client in self.redis.client_list() if client["name"].startswith("dlock")]
        self.assertEqual(len(ours), 1)


class ClientsOfClusters(PackageCase):
    def assert_locks(self, client, cluster):
        for name in ("a", "b", "c"):  # one for each primary
            with DistributedLock(client, lock_name=name):
                self.assertTrue(cluster.ask("EXISTS", name))

    async def assert_locks_before_and_after_it_connects(self, client, cluster):
        self.assert_locks(client, cluster)
        async with client:
            self.assert_locks(client, cluster)

    def test_clients_of_a_cluster_are_taken(self):
        cluster = Cluster(password="secret@:/", replicas=0)
        self.addCleanup(cluster.close)
        port = cluster.servers[0].port
        url = f"redis://:secret%40%3A%2F@127.0.0.1:{port}"
        settings = {"host": "127.0.0.1", "port": port, "password": "secret@:/"}
        node = redis.cluster.ClusterNode("127.0.0.1", cluster.servers[2].port)
        with redis.RedisCluster(startup_nodes=[node], password="secret@:/") as client:
            self.assert_locks(client, cluster)
        with redis.RedisCluster.from_url(url) as client:
            self.assert_locks(client, cluster)
        for client in (redis.asyncio.RedisCluster(**settings),
                       redis.asyncio.RedisCluster.from_url(url)):
            asyncio.run(self.assert_locks_before_and_after_it_connects(client, cluster))
        self.assert_locks(cluster.url.replace("//", "//:secret%40%3A%2F@"), cluster)


class _TlsSentinel(TlsServer):
    OPTIONS = ("--sentinel",)
    HAS_LOCKS = False


class Tls(PackageCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory(prefix="dlock-test-")
        self.addCleanup(directory.cleanup)
        self.authority = Authority(directory.name)
        certificate, key = self.authority.issue("client", "DNS:client")
        self.own = {"ssl_certfile": certificate, "ssl_keyfile": key}
        self.trusting = {**self.own, "ssl_ca_certs": self.authority.ca}
        self.certificate = self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")

    def serve(self, *config, kind=TlsServer):
        server = kind(self.authority, self.certificate, asks=True, config=config)
        self.addCleanup(server.close)
        return server

    def assert_locks(self, client, server):
        with DistributedLock(client, lock_name="job"):
            self.assertTrue(server.command("EXISTS", "job"))

    def assert_does_not_trust(self, client):
        with self.assertRaisesRegex(DistributedLockError, "trusted"):
            DistributedLock(client, lock_name="job").acquire()

    def test_tls_is_taken_over(self):
        server = self.serve()
        port = {"port": server.tls_port, "ssl": True}
        self.assert_locks(redis.Redis(**port, **self.trusting), server)
        self.assert_locks(redis.Redis(**port, **self.own, ssl_cert_reqs="none",
                                      ssl_check_hostname=False), server)
        self.assert_does_not_trust(redis.Redis(**port, **self.own))
        url = f"rediss://localhost:{server.tls_port}?cert={self.own['ssl_certfile']}" + (
            f"&key={self.own['ssl_keyfile']}")
        self.assert_locks(f"{url}&ca={self.authority.ca}", server)
        self.assert_does_not_trust(url)

    def test_tls_of_a_url_is_verified_unless_it_says_otherwise(self):
        server = self.serve()
        url = f"rediss://localhost:{server.tls_port}?" + "&".join(
            f"{name}={value}" for name, value in self.own.items())
        self.assert_locks(redis.Redis.from_url(f"{url}&ssl_ca_certs={self.authority.ca}"), server)
        self.assert_locks(redis.Redis.from_url(f"{url}&ssl_cert_reqs=none"), server)
        self.assert_does_not_trust(redis.Redis.from_url(url))

    def test_tls_of_a_cluster_is_taken_over(self):
        server = self.serve("cluster-enabled yes", f"cluster-port {free_port()}",
                            "cluster-announce-ip 127.0.0.1", "tls-cluster yes")
        server.command("CLUSTER", "ADDSLOTS", *range(16384))
        self.assertTrue(eventually(
            lambda: b"cluster_state:ok" in server.command("CLUSTER", "INFO"), LONG))
        port = {"host": "127.0.0.1", "port": server.tls_port, "ssl": True}
        url = f"rediss://127.0.0.1:{server.tls_port}"
        for kind in (redis.RedisCluster, redis.asyncio.RedisCluster):
            self.assert_locks(kind(**port, **self.trusting), server)
            self.assert_locks(kind.from_url(url, **self.trusting), server)
        self.assert_does_not_trust(redis.asyncio.RedisCluster(**port, **self.own))
        self.assert_does_not_trust(redis.asyncio.RedisCluster.from_url(url, **self.own))

    def test_tls_of_sentinel_is_taken_over(self):
        server = self.serve()
        sentinel = self.serve(f"sentinel monitor {SERVICE} 127.0.0.1 {server.tls_port} 1",
                              "tls-replication yes", kind=_TlsSentinel)
        tls = {"ssl": True, **self.trusting}
        manager = redis.sentinel.Sentinel([("127.0.0.1", sentinel.tls_port)], sentinel_kwargs=tls, **tls)
        self.assert_locks(manager.master_for(SERVICE), server)



if __name__ == "__main__":
    unittest.main()
