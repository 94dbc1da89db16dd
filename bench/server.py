"""A server of the benchmark's own: a free port, nothing persistent, pinned to one core."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from driver import cpu_ns_of
from placement import pin
from resp import Connection


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What all subjects of a run connect to: a server, by TCP or by its unix socket.
NAMES = ("redis", "valkey", "redis-unix", "valkey-unix")


class NoServer(Exception):
    """A server that is not installed."""


def find_program(name):
    """The system's, or the Valkey that scripts/setup installs."""
    program = name.removesuffix("-unix") + "-server"
    venv = pathlib.Path(__file__).resolve().parent.parent / ".deps/valkey-lite"
    found = shutil.which(program) or next(map(str, venv.glob(f"lib/**/{program}")), None)
    if not found:
        raise NoServer(f"{program} is not installed")
    return found


class Server:
    """Runs until `close()`; a context manager."""

    def __init__(self, name, cpu):
        binary = find_program(name)
        self.directory = tempfile.mkdtemp(prefix="dlock-bench-")
        self.socket_path = os.path.join(self.directory, "redis.sock")
        self.port = _free_port()
        self.tcp_url = f"redis://127.0.0.1:{self.port}"
        self.unix_url = f"redis+unix://{self.socket_path}"
        self.is_unix = name.endswith("-unix")
        self.url = self.unix_url if self.is_unix else self.tcp_url
        with open(os.path.join(self.directory, "redis.log"), "wb") as log:
            self._process = subprocess.Popen(
                [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
                 "--appendonly", "no", "--unixsocket", self.socket_path, "--maxclients", "20000",
                 "--dir", self.directory],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self._process.pid
        self._connection = None
        self._cpu = cpu
        self.pin()
        try:
            self._connection = self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self):
        for _ in range(500):
            if self._process.poll() is not None:
                break
            try:
                return Connection(self.socket_path)
            except OSError:
                time.sleep(0.01)
        log = pathlib.Path(self.directory, "redis.log").read_text(errors="replace")
        raise RuntimeError(f"the server did not start:\n{log[-2000:]}")

    def pin(self):
        pin(self.pid, self._cpu)

    def command(self, *fields):
        return self._connection.command(*fields)

    def info(self, section):
        """The fields of one section of INFO."""
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def calls(self):
        """How often each command ran and how long in all, us; scripts' own calls included."""
        counts = {}
        for name, value in self.info("commandstats").items():
            fields = dict(field.split("=") for field in value.split(","))
            counts[name.removeprefix("cmdstat_")] = (int(fields["calls"]), int(fields["usec"]))
        return counts

    def cpu_ns(self):
        """CPU time of all its threads."""
        return cpu_ns_of(self.pid)

    def cpu_seconds(self):
        """CPU time of the thread that executes commands."""
        fields = self.info("cpu")
        return sum(float(fields[f"used_cpu_{kind}_main_thread"]) for kind in ("user", "sys"))

    def version(self):
        fields = self.info("server")
        return "Valkey " + fields["valkey_version"] if "valkey_version" in fields else \
            "Redis " + fields["redis_version"]

    def close(self):
        if self._connection:
            self._connection.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
