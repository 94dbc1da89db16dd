"""The scripts of docs/protocol.md, each call by itself; examples/protocol_client.py is a client."""

import hashlib
import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(os.environ["DLOCK_SOURCE_DIR"]) / "examples"))

from protocol_client import FENCE_KEY, keys_of, script_text  # noqa: E402


class Refused(Exception):
    """The server's error reply."""


def keys_of_gate(kind, key):
    """KEYS of the scripts for a gate."""
    keys = keys_of(f"dlock1:{kind}:{key}")
    parts = [] if kind == "condition" else [keys[1].replace("dlock1:q", "dlock1:p", 1)]
    return keys[:3] + parts


def election_keys_of(key):
    """KEYS of the scripts for the election on one lock: the lock and its leader key."""
    return [key, keys_of(key)[1].replace("dlock1:q", "dlock1:l", 1)]


class Client:
    """One logged-in RESP3 connection."""

    def __init__(self, path, user="default", password="", subscribe=True):
        self.id = os.urandom(8).hex()
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(path)
        self._input = self._socket.makefile("rb")
        try:
            self.connection = self.command("HELLO", "3", "AUTH", user, password, "SETNAME",
                                           f"dlock:{self.id}")["id"]
            if subscribe:
                self.command("SSUBSCRIBE", f"dlock1:c:{self.id}")
        except Refused:
            self.close()
            raise

    def close(self):
        self._input.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, *fields):
        """Sends a command and returns its reply; keeps the messages that come before."""
        data = b"*%d\r\n" % len(fields)
        for field in fields:
            data += b"$%d\r\n%s\r\n" % (len(str(field).encode()), str(field).encode())
        self._socket.sendall(data)
        return self._reply()

    def next_message(self):
        while not self.messages:
            self._take_push(self._read())
        return self.messages.pop(0)

    def token(self, claim_ms=3000):
        return f"dlock1:{self.id}:{os.urandom(16).hex()}:{claim_ms}"

    def script(self, name, keys, *arguments):
        text = script_text(name)
        call = [len(keys), *keys, *arguments]
        try:
            return self.command("EVALSHA", hashlib.sha1(text.encode()).hexdigest(), *call)
        except Refused as refusal:
            if not str(refusal).startswith("NOSCRIPT"):
                raise
            return self.command("EVAL", text, *call)

    def acquire(self, key, token, ttl_ms=30000, mode="wait", ticket="", old=""):
        reply = self.script("acquire", keys_of(key), token, ttl_ms, mode, ticket, old)
        return self._echoed(token, reply)

    def acquire_all(self, locks, ttl_ms=30000):
        """`locks`: the token for each key."""
        keys = [part for key in locks for part in keys_of(key)[:3]]
        tokens = list(locks.values())
        return self._echoed(tokens[0], self.script("acquire_all", [FENCE_KEY, *keys], ttl_ms, *tokens))

    def release(self, key, token, *keep_ms):
        return self._echoed(token, self.script("release", keys_of(key), token, *keep_ms))

    def acquire_bare(self, key, token, ttl_ms=30000):
        """Without a script. Returns the replies to SET, GETRANGE, INCR and EXISTS."""
        self.command("MULTI")
        try:
            self.command("SET", key, token, "NX", "PX", ttl_ms)
            self.command("GETRANGE", key, 0, len(token))
            self.command("INCR", FENCE_KEY)
            self.command("EXISTS", keys_of(key)[1])
        except Refused:
            self.command("DISCARD")
            raise
        return self.command("EXEC")

    def release_bare(self, key, token):
        return self.script("release_bare", [key], token)

    def renew(self, *leases, sequence=0, counter=1):
        """`leases`: key, token, ttl in ms of each."""
        keys = [part for key, _, _ in leases for part in keys_of(key)[:3]]
        arguments = [part for _, token, ttl_ms in leases
                     for part in (token, ttl_ms, sequence, counter)]
        first = leases[0][1]
        reply = self.script("renew", [FENCE_KEY, *keys], first[24:32], *arguments)
        return self._echoed(first, reply)

    def break_(self, key, counter, sequence, how):
        return self.script("break", keys_of(key), counter, sequence, how)

    # --- permits

    def permits_token(self, weight, claim_ms=3000):
        return f"{self.token(claim_ms)}:{weight}"

    def acquire_permits(self, key, token, capacity, ttl_ms=30000, mode="wait", ticket="", old=""):
        reply = self.script("permits_acquire", keys_of(key), token, ttl_ms, mode, ticket, old,
                            capacity)
        return self._echoed(token, reply)

    def release_permits(self, key, token):
        return self._echoed(token, self.script("permits_release", keys_of(key), token))

    def renew_permits(self, key, token, counter, ttl_ms=30000):
        reply = self.script("permits_renew", [FENCE_KEY, *keys_of(key)[:3]], token[24:32], token,
                            ttl_ms, counter)
        return self._echoed(token, reply)

    def break_permits(self, key, counter, how):
        return self.script("permits_break", keys_of(key), counter, how)

    def resize(self, key, capacity):
        return self.script("permits_resize", keys_of(key), capacity)

    # --- gates

    def at_gate(self, kind, key, token, mode, ticket="", *numbers):
        keys = keys_of_gate(kind, key)
        return self._echoed(token, self.script(kind, keys, token, 0, mode, ticket, "", *numbers))

    def leave_gate(self, kind, key, token):
        keys = keys_of_gate(kind, key)
        return self._echoed(token, self.script(f"{kind}_leave", keys, token))

    def inspect_gate(self, kind, key):
        return self.script("inspect_gate", keys_of_gate(kind, key))

    # --- elections

    def proclaim(self, key, token, counter, revision, value, sequence=0, life_ms=90000):
        reply = self.script("proclaim", election_keys_of(key), token[24:32], token[7:23], counter,
                            sequence, revision, life_ms, value)
        return self._echoed(token, reply)

    def resign(self, key, token, counter, sequence=0):
        return self._echoed(token, self.script("resign", election_keys_of(key)[1:], token[24:32],
                                               token[7:23], counter, sequence))

    def leader(self, key):
        """What is left in ms, and then counter, sequence, revision and value of the leader."""
        left_ms, *leader = self.script("leader", election_keys_of(key)).split(" ", 4)
        return [int(left_ms), *leader]

    @staticmethod
    def _echoed(token, reply):
        echo, *words = reply.split(" ")
        if echo != token[24:32]:
            raise AssertionError(f"{reply!r} does not begin with the echo of {token}")
        return words

    def _reply(self):
        while True:
            reply = self._read()
            if isinstance(reply, Push) and not self._take_push(reply):
                return reply
            if isinstance(reply, Refused):
                raise reply
            if not isinstance(reply, Push):
                return reply

    def _take_push(self, push):
        """False for a confirmation, which stands in the place of a reply."""
        if push[0] != "smessage":
            return False
        self.messages.append(push[2].split(" "))
        return True

    def _read(self):
        line = self._input.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"+":
            return rest
        if kind == b"-":
            return Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"_" or rest == "-1":
            return None
        if kind in (b"$", b"="):
            text = self._input.read(int(rest) + 2)[:-2].decode()
            return text
        items = [self._read() for _ in range(int(rest) * (2 if kind == b"%" else 1))]
        if kind == b"%":
            return dict(zip(items[::2], items[1::2]))
        return Push(items) if kind == b">" else items


class Push(list):
    """An out-of-band message."""


def server_us():
    """For tickets: the server of a test runs by our clock."""
    return time.time_ns() // 1000
