"""A real cluster: three primaries, each with a replica."""

import subprocess

import redis

from eventually import eventually
from redis_server import RedisServer, free_port


class Cluster:
    """Runs from construction, when all slots are served, until `close()`."""

    def __init__(self, *config, password="", replicas=1):
        lines = ["cluster-enabled yes", "cluster-node-timeout 1000",
                 "cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0", *config]
        lines += [f"requirepass {password}", f"masterauth {password}"] if password else []
        self._auth = {"password": password or None}
        self._replicas = replicas
        self.servers = [RedisServer(*lines, f"cluster-port {free_port()}")
                        for _ in range(3 * (1 + replicas))]
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers]
        subprocess.run(["redis-cli", *(["-a", password, "--no-auth-warning"] if password else []),
                        "--cluster", "create", *addresses,
                        "--cluster-replicas", str(replicas), "--cluster-yes"],
                       check=True, stdout=subprocess.DEVNULL)
        self.wait_until_complete()

    @property
    def addresses(self):
        return ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    @property
    def url(self):
        return f"redis+cluster://{self.addresses}"

    def connect(self, server):
        return redis.Redis(port=server.port, single_connection_client=True, **self._auth)

    def call(self, server, *fields):
        with self.connect(server) as client:
            return client.execute_command(*fields)

    def slot(self, key):
        return self.call(self._running()[0], "CLUSTER", "KEYSLOT", key)

    def owner(self, key):
        """The primary that has the slot of `key`."""
        slot = self.slot(key)
        for server in self._running():
            for first, last, primary in self._ranges(server):
                if first <= slot <= last and self._runs(primary):
                    return self._at(primary)
        raise RuntimeError(f"nobody has the slot of {key}")

    def ask(self, *fields):
        """A command with its key in second place, sent to the primary that has it."""
        return self.call(self.owner(fields[1]), *fields)

    def replica_of(self, primary):
        name = self.call(primary, "CLUSTER", "MYID")
        lines = eventually(lambda: self.call(primary, "CLUSTER", "REPLICAS", name), 20)
        if not lines:
            raise RuntimeError("it has no replica")
        return self._at(int(lines[0].split()[1].decode().split("@")[0].split(":")[1]))

    def fail_over(self, key):
        """Makes the replica of the owner of `key` the owner, and waits until all know."""
        former = self.owner(key)
        replica = self.replica_of(former)
        for _ in range(10):
            self.call(replica, "CLUSTER", "FAILOVER")
            # Others do not vote on the same primary twice in two seconds; a try ends after five.
            if eventually(lambda: self._has_another(key, former), 6):
                return
        raise RuntimeError("no failover")

    def wait_for_another(self, key, former):
        if not eventually(lambda: self._has_another(key, former), 60):
            raise RuntimeError("no failover")

    def wait_until_complete(self):
        """Until each node knows of all slots who has them."""
        if not eventually(self._is_complete, 60):
            raise RuntimeError("the cluster does not come up")

    def wait_for_replicas(self):
        """Until each primary has its replicas, and they have what it has."""
        def has_all(primary):
            info = self.call(primary, "INFO", "replication")
            name = self.call(primary, "CLUSTER", "MYID")
            known = self.call(primary, "CLUSTER", "NODES").count(b"slave " + name)
            return known == info["connected_slaves"] == self._replicas and all(
                info[f"slave{i}"]["state"] == "online" for i in range(self._replicas))

        def follow():
            primaries = self.primaries()
            return len(primaries) == 3 and all(map(has_all, primaries)) and self._is_complete()
        if not eventually(follow, 60):
            raise RuntimeError("the replicas do not follow")

    def begin_move(self, key):
        """The slot of `key` begins to go to another primary. Returns (slot, source, target)."""
        source = self.owner(key)
        target = next(server for server in self.primaries() if server is not source)
        slot = self.slot(key)
        self.call(target, "CLUSTER", "SETSLOT", slot, "IMPORTING",
                  self.call(source, "CLUSTER", "MYID"))
        self.call(source, "CLUSTER", "SETSLOT", slot, "MIGRATING",
                  self.call(target, "CLUSTER", "MYID"))
        return slot, source, target

    def move_keys(self, slot, source, target):
        while keys := self.call(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.call(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot, target):
        name = self.call(target, "CLUSTER", "MYID")
        for server in [target] + [other for other in self.primaries() if other is not target]:
            self.call(server, "CLUSTER", "SETSLOT", slot, "NODE", name)

    def move(self, key):
        """The slot of `key` goes to another primary, with its keys, and all know."""
        slot, source, target = self.begin_move(key)
        self.move_keys(slot, source, target)
        self.end_move(slot, target)
        self.wait_for_another(key, source)

    def primaries(self):
        return [server for server in self._running() if self.call(server, "ROLE")[0] == b"master"]

    def close(self):
        for server in self.servers:
            server.close()

    def _running(self):
        return [server for server in self.servers if server.pid]

    def _runs(self, port):
        return any(server.port == port for server in self._running())

    def _at(self, port):
        return next(server for server in self.servers if server.port == port)

    def _has_another(self, key, former):
        slot = self.slot(key)
        return all(primary != former.port for server in self._running()
                   for first, last, primary in self._ranges(server) if first <= slot <= last
                   ) and self._is_complete()

    def _ranges(self, server):
        rows = self.call(server, "CLUSTER", "SLOTS")
        rows = rows if isinstance(rows, list) else [[*span, entry["primary"]] for span, entry in
                                                    rows.items()]
        return [(row[0], row[1], row[2][1]) for row in rows]

    def _is_complete(self):
        return all(b"cluster_state:ok" in self.call(server, "CLUSTER", "INFO")
                   for server in self._running())
