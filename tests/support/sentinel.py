"""A real primary with two replicas, and three Sentinels that look after them."""

import redis

import rights
from eventually import eventually
from redis_server import RedisServer

SERVICE = "main"


class _Sentinel(RedisServer):
    OPTIONS = ("--sentinel",)
    HAS_LOCKS = False


class Sentinels:
    """Runs from construction, when all know each other, until `close()`. With `password` for the
    servers and `sentinel_password` for the Sentinels."""

    def __init__(self, password="", sentinel_password=""):
        self._auth = {"password": password or None}
        lines = [f"requirepass {password}", f"masterauth {password}"] if password else []
        lines += ["repl-diskless-sync-delay 0", "repl-timeout 10"]
        first = RedisServer(*lines)
        self.servers = [first] + [RedisServer(*lines, f"replicaof 127.0.0.1 {first.port}")
                                  for _ in range(2)]
        if rights.enforced():
            self._auth = rights.ADMIN
        # A replica that lost its primary ten times "down-after" before that was down is not promoted.
        lines = [f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 2",
                 f"sentinel down-after-milliseconds {SERVICE} 1000",
                 f"sentinel failover-timeout {SERVICE} 3000"]
        lines += [f"sentinel auth-pass {SERVICE} {password}"] if password else []
        lines += [f"sentinel auth-user {SERVICE} {rights.ADMIN['username']}",
                  f"sentinel auth-pass {SERVICE} {rights.ADMIN['password']}"
                  ] if rights.enforced() else []
        lines += [f"requirepass {sentinel_password}", f"sentinel sentinel-pass {sentinel_password}"
                  ] if sentinel_password else []
        self.sentinels = [_Sentinel(*lines) for _ in range(3)]
        self._sentinel_auth = {"password": sentinel_password or None}
        if not eventually(self._all_know_each_other, 30):
            raise RuntimeError("the Sentinels do not find each other")

    @property
    def addresses(self):
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    @property
    def url(self):
        return f"redis+sentinel://{self.addresses}/{SERVICE}"

    def primary(self):
        """The server that the Sentinels name."""
        for sentinel in self.sentinels:
            port = int(self._ask(sentinel, "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
            return next(server for server in self.servers if server.port == port)

    def call(self, server, *fields):
        with redis.Redis(port=server.port, **self._auth) as client:
            return client.execute_command(*fields)

    def fail_over(self):
        """Asks for a failover, and waits until all Sentinels name another server, which takes writes."""
        former = self.primary()
        self._ask(self.sentinels[0], "FAILOVER", SERVICE)
        self.wait_for_another(former)

    def wait_for_another(self, former):
        def is_there():
            return all(self._primary_of(sentinel) not in (None, former.port)
                       for sentinel in self.sentinels) and self._takes_writes(self.primary())
        if not eventually(is_there, 60):
            raise RuntimeError("no failover:\n" + "\n".join(sentinel.log_tail()
                                                            for sentinel in self.sentinels))

    def restart_as_replica(self, server):
        """Restarts it as a replica of the present primary, and waits until it has the primary's data."""
        server.restart()
        self.call(server, "REPLICAOF", "127.0.0.1", self.primary().port)
        self.wait_for_replicas()

    def wait_for_replicas(self):
        """Until the others follow the primary and have what it has, and no Sentinel is still busy
        with a failover: one whose new primary dies before its end names that one for ever."""
        def follow():
            masters = [_pairs(self._ask(sentinel, "MASTER", SERVICE)) for sentinel in self.sentinels]
            port = str(self.primary().port)
            if any((str(master["port"]), str(master["flags"])) != (port, "master")
                   for master in masters):
                return False
            info = self.call(self.primary(), "INFO", "replication")
            return info["connected_slaves"] == len(self.servers) - 1 and all(
                info[f"slave{i}"]["state"] == "online" for i in range(len(self.servers) - 1))
        if not eventually(follow, 60):
            raise RuntimeError("the replicas do not follow")

    def close(self):
        for server in self.sentinels + self.servers:
            server.close()

    def _takes_writes(self, server):
        return self.call(server, "ROLE")[0] == b"master"

    def _primary_of(self, sentinel):
        return int(self._ask(sentinel, "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def _ask(self, sentinel, *fields):
        with redis.Redis(port=sentinel.port, decode_responses=True, **self._sentinel_auth) as client:
            return client.execute_command("SENTINEL", *fields)

    def _all_know_each_other(self):
        for sentinel in self.sentinels:
            words = _pairs(self._ask(sentinel, "MASTER", SERVICE))
            if [str(words[f"num-{who}"]) for who in ("other-sentinels", "slaves")] != ["2", "2"]:
                return False
        return all(self.call(server, "INFO", "replication")["master_link_status"] == "up"
                   for server in self.servers[1:])


def _pairs(words):
    if isinstance(words, dict):
        return words  # redis-py 8
    return dict(zip(words[::2], words[1::2]))
