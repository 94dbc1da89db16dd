"""What the clients connect to: one class a topology, all with the same interface."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import redis  # noqa: E402

from certificates import Authority  # noqa: E402
from cluster import Cluster as ClusterServers  # noqa: E402
from eventually import eventually  # noqa: E402
from lesser_server import LesserServer  # noqa: E402
from moved_clock import MovedClock  # noqa: E402
from proxy import Proxy  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from sentinel import Sentinels  # noqa: E402
from tls_server import TlsServer  # noqa: E402
from world import LOCKS, MUTEXES, PERMITS, READERS_AND_WRITERS  # noqa: E402


class Unavailable(Exception):
    """This machine does not let us have it."""


class Topology:
    """Runs from construction to `close()`. `urls`: for clients, by turns; the first leads there by
    the shortest way. `prefixes`: commands that run the clients of each URL. `locks`: what clients use,
    and how. `proxy` and `clock` are None where there are none."""

    locks = {**MUTEXES, **READERS_AND_WRITERS, **PERMITS}
    proxy = None
    clock = None

    @property
    def prefixes(self):
        return [[] for _ in self.urls]

    def nodes(self):
        """redis-py clients of the servers that have keys now."""
        raise NotImplementedError

    def some_server(self, chance):
        """One that clients speak to, and that nobody takes the place of."""
        raise NotImplementedError


def lose_data(server):
    """Kills it; the next has nothing. Stopped first: that of `local:` is started again by the clients
    at once."""
    server.stop()
    shutil.rmtree(os.path.join(server.directory, "appendonlydir"))
    server.kill9()


class OneServer(Topology):
    """`server` keeps its data, but for `lose_data(server)`."""

    def some_server(self, _):
        return self.server

    def nodes(self):
        return [self.server.client()]

    def close(self):
        if self.proxy:
            self.proxy.close()
        self.server.close()
        if self.clock:
            self.clock.close()


class Tcp(OneServer):
    def __init__(self):
        self.clock = MovedClock()
        self.server = RedisServer(persistent=True, environment=self.clock.environment)
        self.proxy = Proxy(self.server.port)
        self.urls = [self.server.url, f"redis://127.0.0.1:{self.proxy.port}"]


class Lesser(OneServer):
    """A server behind a proxy in the way of a service; half of the clients see it through another."""

    WAYS = ()

    def __init__(self):
        self.server = RedisServer(persistent=True)
        self.lesser = LesserServer(self.server.socket_path, ways=self.WAYS)
        self.proxy = Proxy(self.lesser.port)
        self.urls = [self.lesser.url, f"redis://127.0.0.1:{self.proxy.port}"]

    def close(self):
        super().close()
        self.lesser.close()


class Resp2(Lesser):
    WAYS = ("resp2",)


class Endpoint(Lesser):
    """One endpoint, which gets slots one day."""

    def divide(self):
        self.lesser.ways.add("endpoint")


class Unix(OneServer):
    def __init__(self):
        self.clock = MovedClock()
        self.server = RedisServer(persistent=True, environment=self.clock.environment)
        path = os.path.join(self.server.directory, "proxy.sock")
        self.proxy = Proxy(self.server.socket_path, path)
        self.urls = [self.server.unix_url, f"redis+unix://{path}"]


class Tls(OneServer):
    def __init__(self):
        self._keys = tempfile.TemporaryDirectory(prefix="dlock-test-")
        authority = Authority(self._keys.name)
        self.server = TlsServer(authority, authority.issue("server", "IP:127.0.0.1"), persistent=True)
        self.proxy = Proxy(self.server.tls_port)
        self.urls = [f"rediss://127.0.0.1:{port}?ca={authority.ca}"
                     for port in (self.server.tls_port, self.proxy.port)]

    def close(self):
        super().close()
        self._keys.cleanup()


class Netns(OneServer):
    """A server in one network namespace, half of the clients there, half in another."""

    ADDRESS = "10.213.7.1"

    def __init__(self):
        self._spaces = [f"dlock-test-{os.getpid()}-{side}" for side in ("server", "client")]
        try:
            for space in self._spaces:
                self._ip("netns", "add", space)
            near, far = self._spaces
            self._ip("-n", near, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far)
            for space, end, address in ((near, "near", self.ADDRESS), (far, "far", "10.213.7.2")):
                self._ip("-n", space, "address", "add", f"{address}/30", "dev", end)
                self._ip("-n", space, "link", "set", end, "up")
                self._ip("-n", space, "link", "set", "lo", "up")
            self.server = RedisServer(f"bind 127.0.0.1 {self.ADDRESS}", "protected-mode no", persistent=True,
                                      prefix=self._inside(near))
        except (OSError, subprocess.CalledProcessError) as error:
            self._delete()
            raise Unavailable(f"no network namespaces: {error}") from error
        self.urls = [self.server.url, f"redis://{self.ADDRESS}:{self.server.port}"]

    @property
    def prefixes(self):
        return [self._inside(space) for space in self._spaces]

    def link(self, state):
        self._ip("-n", self._spaces[0], "link", "set", "near", state)

    def close(self):
        super().close()
        self._delete()

    def _delete(self):
        for space in self._spaces:
            if shutil.which("ip"):
                subprocess.run(["ip", "netns", "delete", space], stderr=subprocess.DEVNULL, check=False)

    @staticmethod
    def _inside(space):
        return ["ip", "netns", "exec", space]

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], stderr=subprocess.PIPE, check=True)


class _PrivateServer:
    """What `local:` started in a directory, with the interface of RedisServer."""

    def __init__(self, directory, start):
        self.directory = directory
        self._start = start
        self.restart()

    @property
    def pid(self):
        return int(pathlib.Path(self.directory, "redis.pid").read_text())

    def client(self):
        return redis.Redis(unix_socket_path=os.path.join(self.directory, "redis.sock"), socket_timeout=10)

    def kill9(self):
        """Nothing if it does not run."""
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if not eventually(lambda: _is_over(pid)):
            raise RuntimeError("the private server does not end")

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self):
        os.kill(self.pid, signal.SIGCONT)

    def restart(self):
        """By a client, as it is needed: also by the clients under test."""
        self._start()


def _is_over(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Local(OneServer):
    def __init__(self):
        self._directory = tempfile.mkdtemp(prefix="dlock-test-")
        self.urls = [f"local:{self._directory}"]
        self.server = _PrivateServer(self._directory, self._start)

    def _start(self):
        looks = [os.environ["DLOCK_BIN"], "ls", "--url", self.urls[0]]
        if not eventually(lambda: subprocess.run(looks, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                                 check=False).returncode == 0, 60):
            raise RuntimeError("the private server does not start")

    def close(self):
        self.server.kill9()
        shutil.rmtree(self._directory)


class Replicated(Topology):
    """`server`: the primary of the first of the locks."""

    def nodes(self):
        return [self.server.client()]

    def replicas(self):
        raise NotImplementedError

    def call(self, server, *fields):
        raise NotImplementedError

    def fail_over(self):
        """Makes a replica the primary by asking for it; until all is in place again."""
        raise NotImplementedError

    def wait_for_another(self, former):
        """Until there is another primary."""
        raise NotImplementedError

    def restart_as_replica(self, server):
        """Of the primary that there is now, and until it has what that has."""
        raise NotImplementedError


class Sentinel(Replicated):
    def __init__(self):
        self._group = Sentinels()
        self.urls = [self._group.url]
        self.sentinels = self._group.sentinels
        self.call = self._group.call
        self.wait_for_another = self._group.wait_for_another
        self.restart_as_replica = self._group.restart_as_replica

    @property
    def server(self):
        return self._group.primary()

    def replicas(self):
        primary = self.server
        return [server for server in self._group.servers if server is not primary]

    def fail_over(self):
        self._group.fail_over()
        self._group.wait_for_replicas()

    def close(self):
        self._group.close()


class Cluster(Replicated):
    """Three primaries with a replica each."""

    def __init__(self):
        self._cluster = ClusterServers()
        self.urls = [self._cluster.url]
        self.call = self._cluster.call
        self.move = self._cluster.move
        self.wait_for_replicas = self._cluster.wait_for_replicas

    @property
    def server(self):
        return self._cluster.owner(LOCKS[0])

    def nodes(self):
        return [server.client() for server in self._cluster.primaries()]

    def replicas(self):
        return [self._cluster.replica_of(self.server)]

    def fail_over(self):
        self._cluster.fail_over(LOCKS[0])
        self.wait_for_replicas()

    def wait_for_another(self, former):
        self._cluster.wait_for_another(LOCKS[0], former)

    def restart_as_replica(self, server):
        server.restart()
        self.wait_for_replicas()

    def close(self):
        self._cluster.close()


class Quorum(Topology):
    """Independent servers, each of which keeps its data. The first has a clock that can be moved, and
    half of the clients see it through a proxy."""

    locks = {**MUTEXES, **READERS_AND_WRITERS}
    size = 3

    def __init__(self):
        self.clock = MovedClock()
        first = RedisServer(persistent=True, environment=self.clock.environment)
        self.servers = [first] + [RedisServer(persistent=True) for _ in range(self.size - 1)]
        self.proxy = Proxy(first.port)
        others = "".join(f",127.0.0.1:{server.port}" for server in self.servers[1:])
        self.urls = [f"redis+quorum://127.0.0.1:{port}{others}" for port in (first.port, self.proxy.port)]

    def some_server(self, chance):
        return chance.choice(self.servers)

    def nodes(self):
        return [server.client() for server in self.servers]

    def close(self):
        self.proxy.close()
        for server in self.servers:
            server.close()
        self.clock.close()


class Quorum5(Quorum):
    size = 5


ALL = {"tcp": Tcp, "resp2": Resp2, "endpoint": Endpoint, "unix": Unix, "local": Local, "tls": Tls, "netns": Netns, "sentinel": Sentinel,
       "cluster": Cluster, "quorum3": Quorum, "quorum5": Quorum5}
