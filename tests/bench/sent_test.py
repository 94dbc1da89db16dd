"""What a client sends for each operation: as the table in docs/benchmarks.md says, to the byte."""

import collections
import ctypes
import os
import pathlib
import re
import sys
import threading
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "tests/support"))

from counting_proxy import CountingProxy  # noqa: E402
from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

VALKEY = next(map(str, (SOURCE / ".deps").glob("valkey-lite/**/valkey-server")), None)
DOCUMENT = (SOURCE / "docs/benchmarks.md").read_text()
RUNS = 5  # most agree: a client on a slow machine may look again, or record a fence
TIMED_OUT = 9
CACHE = (BUILD / "CMakeCache.txt").read_text()
if re.search(r"^DLOCK_SANITIZE:\w+=.+$", CACHE, re.MULTILINE):
    print("skipped: a sanitized library cannot be loaded into Python")
    sys.exit(77)


class Client:
    """A client of the C interface whose commands are counted."""

    library = ctypes.CDLL(str(BUILD / "libdlock.so.1"))
    library.dlock_last_error.restype = ctypes.c_char_p

    def __init__(self, server):
        self._proxy = CountingProxy(server.socket_path)
        self._handle = self.make("client_new", self._proxy.url.encode(), None)

    def close(self):
        self.library.dlock_client_free(self._handle)
        self._proxy.close()

    def call(self, function, *arguments, but=0):
        status = getattr(self.library, f"dlock_{function}")(*arguments)
        if status != but:
            raise RuntimeError(f"{function}: {status}, {self.library.dlock_last_error().decode()}")

    def make(self, function, *arguments):
        made = ctypes.c_void_p()
        self.call(function, *arguments, ctypes.byref(made))
        return made

    def new(self, kind, name, *terms):
        """A lock, an election...: whatever is made with a client and a name."""
        return self.make(f"{kind}_new", self._handle, name, ctypes.c_size_t(len(name)), *terms)

    def acquire(self, lock):
        return self.make("acquire", lock, ctypes.c_int64(-1), None)

    def fail_to_acquire(self, lock):
        lease = ctypes.c_void_p()
        self.call("acquire", lock, ctypes.c_int64(0), None, ctypes.byref(lease), but=TIMED_OUT)

    def release(self, lease):
        self.call("lease_release", lease)
        self.library.dlock_lease_free(lease)

    def know_a_counter(self):
        """For a second, locks need no script after the server's clock was asked twice."""
        for _ in range(2):
            self.release(self.acquire(self.new("mutex", b"warm", None)))

    def sent(self, action, *arguments):
        """(commands, bytes) that the client sends for it; and what it returns."""
        before = len(self._proxy.sent)
        result = action(*arguments)
        return self._since(before), result

    def sent_after(self, action):
        """The same for what the client sends some time after it."""
        before = len(self._proxy.sent)
        action()
        assert eventually(lambda: len(self._proxy.sent) > before)
        return self._since(before)

    def _since(self, before):
        sent = self._proxy.sent[before:]
        return " ".join(f"`{name}`" for name, _ in sent), sum(size for _, size in sent)


def mutex(server, client, other, name):
    """A client that has met a holder uses the scripts, until one of them finds the lock free."""
    mine, theirs = (each.new("mutex", name, None) for each in (client, other))
    client.know_a_counter()
    taken, lease = client.sent(client.acquire, mine)
    yield "acquire a free mutex", taken
    yield f"release it, on {server.kind}", client.sent(client.release, lease)[0]
    lease = client.acquire(mine)
    yield "try it in another thread of the same client", client.sent(client.fail_to_acquire, mine)[0]
    other.know_a_counter()
    yield "try it in another client", other.sent(other.fail_to_acquire, theirs)[0]
    yield "the same again", other.sent(other.fail_to_acquire, theirs)[0]
    token = server.command("GET", name)
    yield "renew it", client.sent_after(lambda: server.command(
        "SPUBLISH", b"dlock1:c:" + token[7:23], b"record " + token))
    client.release(lease)
    taken, lease = other.sent(other.acquire, theirs)
    yield "acquire it after that, when it is free", taken
    yield "release it, acquired by a script", other.sent(other.release, lease)[0]


def waiters(server, client, other, name):
    """Two clients wait for each other in turn: the first two times they do not know that yet."""
    locks = {each: each.new("mutex", name, None) for each in (client, other)}
    client.know_a_counter()
    other.know_a_counter()
    lease = client.acquire(locks[client])
    for holder, waiter in ((client, other), (other, client), (client, other)):
        granted = []
        thread = threading.Thread(target=lambda: granted.append(waiter.acquire(locks[waiter])))

        def hand_over():
            thread.start()
            assert eventually(lambda: server.command("ZCARD", b"dlock1:qw:{%s}" % name) == 1)
            sent, _ = holder.sent(holder.release, lease)
            thread.join()
            return sent
        waited, released = waiter.sent(hand_over)
        lease, = granted
    other.release(lease)
    yield "acquire a contended mutex, until it is granted", waited
    yield "release it, so that the next waiter has it", released


def permits(server, client, other, name):
    gpu = ctypes.c_int64(4), ctypes.c_int64(1)
    for what, kind, terms in (("one of four permits", "permits", gpu), ("for reading", "reader", ()),
                              ("for writing", "writer", ())):
        lock = client.new(kind, name, *terms, None)
        taken, lease = client.sent(client.acquire, lock)
        yield f"acquire {what}, free", taken
        yield "release it", client.sent(client.release, lease)[0]
        server.command("DEL", name)


def gates(server, client, other, name):
    one, now = ctypes.c_int64(1), (ctypes.c_int64(-1), None)
    latch = client.new("latch", name, one, None)
    yield "count a latch down", client.sent(client.call, "latch_count_down", latch, one)[0]
    yield "wait for an open latch", client.sent(client.call, "latch_wait", latch, *now)[0]
    barrier = client.new("barrier", name, one, None)
    yield "be the last party of a barrier", client.sent(client.call, "barrier_wait", barrier, *now)[0]
    condition = client.new("condition", name)
    yield "notify a condition", client.sent(client.call, "condition_notify_one", condition)[0]


def election(server, client, other, name):
    elections = {each: each.new("election", name, None) for each in (client, other)}
    value = b"host-7:8080", ctypes.c_size_t(11)
    client.know_a_counter()
    won, lease = client.sent(client.make, "election_campaign", elections[client], *value,
                             ctypes.c_int64(-1), None)
    yield "campaign in an election, and win at once", won
    yield "ask for the leader", other.sent(other.make, "election_leader", elections[other])[0]
    yield "proclaim another value", client.sent(client.call, "lease_proclaim", lease, *value)[0]
    yield "resign", client.sent(client.release, lease)[0]


def rows_of(server, *parts):
    """[(operation, commands, bytes)], of clients that have all scripts on the server."""
    client, other = Client(server), Client(server)
    rows = []
    for number, part in enumerate(parts):
        names = [b"register-%d-%02d" % (number, run) for run in range(RUNS + 1)]
        runs = [list(part(server, client, other, name)) for name in names]
        for same in zip(*runs[1:]):
            rows.append(collections.Counter((what, *sent) for what, sent in same).most_common(1)[0][0])
    client.close()
    other.close()
    return rows


def start(kind, **options):
    server = RedisServer(**options)
    server.kind = kind
    return server


class Sent(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with start("Redis 7") as server:
            cls.rows = rows_of(server, mutex, waiters, permits, gates, election)
        if VALKEY:
            with start("Valkey 9", binary=VALKEY) as server:
                cls.rows[2:2] = (row for row in rows_of(server, mutex) if "Valkey" in row[0])

    def test_the_table_says_what_is_sent(self):
        _, _, rest = DOCUMENT.partition("| operation | what is sent | commands | bytes |\n")
        written = rest.partition("\n\n")[0].splitlines()[1:]
        measured = [f"| {what} | {names or '-'} | {names.count(' ') + bool(names)} | {size} |"
                    for what, names, size in self.rows]
        if not VALKEY:
            written = [row for row in written if "Valkey" not in row]
        self.assertEqual(written, measured, "it should be\n" + "\n".join(measured))


if __name__ == "__main__":
    unittest.main()
