"""A real redis-server of a test's own: a free port, a unix socket, a temporary directory."""

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import redis

import rights
from eventually import eventually

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class RedisServer:
    """Runs from construction (it answers then) until `close()`, at the latest the end of the thread
    that started it, however that comes. A context manager too."""

    OPTIONS = ()  # of the command line
    HAS_LOCKS = True

    def __init__(self, *config, persistent=False, binary=None, prefix=(),
                 environment=None):
        """`config`: lines of redis.conf. `persistent`: keeps its data over kill9() and restart().
        `prefix`: a command that runs it. `environment`: further variables. `binary`: another server."""
        binary = binary or shutil.which("redis-server") or shutil.which("valkey-server")
        if not binary:
            raise RuntimeError("neither redis-server nor valkey-server is installed")
        self._binary = binary
        self._prefix = list(prefix)
        self._environment = {**os.environ, **(environment or {})}
        self._config = list(config)
        if persistent:
            self._config += ["appendonly yes", "appendfsync always"]
        self._admin = {}
        if rights.enforced() and self.HAS_LOCKS:
            self._config += rights.config(self._config)
            self._admin = rights.ADMIN
        self._process = None
        self.port = None
        self.directory = tempfile.mkdtemp(prefix="dlock-test-")
        self.socket_path = os.path.join(self.directory, "redis.sock")
        atexit.register(self.close)
        self._start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_url(self):
        return f"redis+unix://{self.socket_path}"

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def client(self, **options):
        """A redis-py client, which may do everything; replies are bytes."""
        return redis.Redis(unix_socket_path=self.socket_path, socket_timeout=10,
                           **{**self._admin, **options})

    def command(self, *fields):
        """Runs one command on a connection of its own and returns the reply as redis-py gives it."""
        with self.client() as client:
            return client.execute_command(*fields)

    def kill9(self):
        """SIGKILL, and waits until it is gone; nothing if it does not run."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self):
        """SIGSTOP, and waits until it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def cont(self):
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self):
        """On the same port and directory; ends a running one properly first."""
        if self._process:
            self._process.terminate()
            self.cont()
            self._process.wait(timeout=20)
            self._process = None
        self._start()

    def close(self):
        self.kill9()
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        for _ in range(10):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return
            # Somebody took the port meanwhile; anything else fails again in the same way.
            if "already in use" not in self.log_tail():
                break
        raise RuntimeError(f"the server did not start:\n{self.log_tail()}")

    def _start_on(self, port):
        path = os.path.join(self.directory, "redis.conf")
        lines = ["bind 127.0.0.1", f"port {port}", f"unixsocket {self.socket_path}",
                 f"dir {self.directory}", "daemonize no", 'save ""', "enable-debug-command local"]
        with open(path, "w") as config:
            config.write("\n".join(lines + self._config) + "\n")
        if os.path.exists(self.socket_path):
            os.unlink(self.socket_path)
        with open(os.path.join(self.directory, "redis.log"), "ab") as log:
            self._process = subprocess.Popen([*self._prefix, self._binary, path, *self.OPTIONS],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env=self._environment, start_new_session=True,
                                             preexec_fn=_die_with_parent)
        # The socket is bound after the port, so a server that answers there has both.
        if not eventually(lambda: self._answers() or self._process.poll() is not None):
            self.kill9()
            return False
        return self._process.poll() is None

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(10)
            try:
                probe.connect(self.socket_path)
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False

    def log_tail(self):
        with open(os.path.join(self.directory, "redis.log"), errors="replace") as log:
            return log.read()[-2000:]
