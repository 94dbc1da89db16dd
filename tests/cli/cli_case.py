"""What the tests of the dlock command share: a server, running dlock, and looking at processes."""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rights  # noqa: E402
from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
PATIENCE = 30.0  # seconds for anything that should come soon; sanitizers are slow


def clean_environment(**more):
    """Ours without what changes dlock's behaviour, and with `more`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DLOCK_") and k != "NO_COLOR"}
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent", **more}


def process_fields(pid):
    """The fields of /proc/PID/stat from the state on, or None when there is no such process."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat[stat.rindex(")") + 2:].split()


def state(pid):
    fields = process_fields(pid)
    return fields[0] if fields else None


def is_alive(pid):
    return state(pid) not in (None, "Z", "X")


def children(pid):
    """The pids of its direct children, ended ones included."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = process_fields(entry.name)
            if fields and int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def guard_of(dlock_pid):
    """The guard among the children of a dlock: waits until it has taken its name."""
    def find():
        for pid in children(dlock_pid):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "dlock-guard\n":
                    return pid
            except (FileNotFoundError, ProcessLookupError):
                pass
        return None
    return eventually(find)


def adopt_orphans():
    """From here on orphans become children of this process: what a killed dlock leaves behind, and what
    nobody else on this machine does."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("cannot adopt orphans")


class Running:
    """A started program whose output is collected while it runs."""

    def __init__(self, arguments, **options):
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            **{"stdin": subprocess.PIPE, **options})
        self.pid = self.process.pid
        self._output = {"stdout": b"", "stderr": b""}
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True)
                         for name in self._output]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        stream = getattr(self.process, name)
        while part := os.read(stream.fileno(), 65536):
            self._output[name] += part

    @property
    def stdout(self):
        return self._output["stdout"].decode()

    @property
    def stderr(self):
        return self._output["stderr"].decode()

    def expect(self, text, count=1):
        """Waits until stdout has `text`, `count` times."""
        if not eventually(lambda: self.stdout.count(text) >= count, PATIENCE):
            raise AssertionError(f"no {text!r}; status {self.process.poll()}, stdout "
                                 f"{self.stdout!r}, stderr {self.stderr!r}")

    def expect_error(self, text):
        """Waits until stderr has `text`."""
        if not eventually(lambda: text in self.stderr, PATIENCE):
            raise AssertionError(f"no {text!r} in stderr {self.stderr!r}")

    def word_after(self, label):
        """Waits for a line `LABEL WORD` on stdout and returns the word."""
        self.expect(f"{label} ")
        eventually(lambda: "\n" in self.stdout.split(f"{label} ", 1)[1], PATIENCE)
        return self.stdout.split(f"{label} ", 1)[1].split("\n", 1)[0]

    def close_stdin(self):
        self.process.stdin.close()

    def send(self, number):
        """A signal; SIGSTOP has stopped it then."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def is_over(self):
        return self.process.poll() is not None

    def wait(self, timeout=PATIENCE):
        """Waits for its end and the end of its output; returns the exit status."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise AssertionError("the output is still held open")
        return status

    def dispose(self):
        if self.process.poll() is None:
            self.process.kill()
            self.send_continue()
            self.process.wait()
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    def send_continue(self):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


class CliCase(unittest.TestCase):
    """A test with a server of its class. Afterwards nothing may be left on it but the fence counter,
    unless the test says that it `leaves_keys`."""

    CONFIG = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = RedisServer(*cls.CONFIG)
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.leaves_keys = False
        self.environment = clean_environment(DLOCK_URL=self.server.url)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="dlock-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        if self.server.pid is None:
            self.server.restart()
        self.server.command("FLUSHALL")
        self.server.command("ACL", "LOG", "RESET")

    def tearDown(self):
        if rights.enforced() and self.server.pid:
            refusals = [entry for entry in self.server.command("ACL LOG")
                        if entry["username"] == "default" and entry["reason"] != "auth"]
            self.assertEqual(refusals, [], "a right is missing in docs/protocol.md")
        if not self.leaves_keys:
            self.assertTrue(eventually(lambda: self.keys() == [], 5), f"left behind: {self.keys()}")

    def keys(self):
        """The keys on the server, apart from the fence counter."""
        return sorted(set(self.server.command("KEYS", "*")) - {b"dlock1:fence"})

    def start(self, *arguments, **options):
        """Starts `dlock ARGUMENTS...`."""
        return self.start_program(DLOCK, *arguments, **options)

    def start_program(self, *arguments, **options):
        """Starts any program; it is ended after the test."""
        options.setdefault("env", self.environment)
        running = Running(arguments, **options)
        self.addCleanup(running.dispose)
        return running

    def dlock(self, *arguments, **options):
        """Runs `dlock ARGUMENTS...` to its end."""
        options.setdefault("env", self.environment)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([DLOCK, *arguments], timeout=PATIENCE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)

    def hold(self, name, *options):
        """A `dlock run` that has the lock until its stdin is closed."""
        holder = self.start("run", *options, name, "--", "sh", "-c", "echo ready; cat")
        holder.expect("ready")
        return holder

    def wait_for_waiters(self, name, count):
        """Waits until so many stand in the queue of `name`."""
        def waiters():
            info = self.dlock("info", "--json", name)
            return len(json.loads(info.stdout)["waiters"])
        self.assertTrue(eventually(lambda: waiters() == count, PATIENCE), f"not {count} waiters")

    def assert_gone(self, *pids):
        """Waits until none of them runs any more."""
        self.assertTrue(eventually(lambda: not any(map(is_alive, pids)), PATIENCE),
                        f"still alive: {[pid for pid in pids if is_alive(pid)]}")

    def assert_one_message(self, stderr):
        """One line that begins with the name of the program."""
        text = stderr.decode()
        self.assertRegex(text, r"\Adlock: [^\n]+\n\Z")
        return text
