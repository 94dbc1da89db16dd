"""A client of docs/protocol.md in Python alone, with redis-py from 4.3 on: a mutex that queues, is
granted, claims, renews and releases, and needs no script where nobody waits.
`protocol_client.py URL NAME COMMAND...` runs a command."""

import binascii
import contextlib
import functools
import hashlib
import os
import pathlib
import queue
import re
import sys
import threading
import time
import uuid

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError
from redis.retry import Retry

SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "src/script"
FENCE_KEY = "dlock1:fence"
HASH_TAG = re.compile(r"[^{]*\{([^}]+)\}")
REQUEST_TIMEOUT, LOOKS_AGAIN = 2.0, 2.5  # seconds, as all times that do not end in _ms
clock = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)  # counts suspended time


def slot_of(key):
    return binascii.crc_hqx((HASH_TAG.match(key) or ["", key])[1].encode(), 0) % 16384


def keys_of(key):
    """KEYS of the scripts for one lock."""
    if HASH_TAG.match(key):
        end = f":{key}"
    elif key and "}" not in key:
        end = f"w:{{{key}}}"
    else:
        tag = next(n for n in range(1 << 20) if slot_of(str(n)) == slot_of(key))
        end = f"t:{{{tag}}}{key}"
    return [key, f"dlock1:q{end}", f"dlock1:s{end}", FENCE_KEY]


def script_text(name):
    text = next(SCRIPTS.rglob(f"{name}.lua")).read_text()
    return re.sub(r"^-- include (\w+)\.lua$",
                  lambda line: script_text(line[1]).removesuffix("\n"), text, flags=re.MULTILINE)


def is_proven(seal, token, counter, now, proof=""):
    said = f"{seal} grant {token} {counter} {now} {seal}"
    return bool(seal) and hashlib.sha1(said.encode()).hexdigest() == proof


def validity(length):
    return length - 0.01 * length - 0.002


class ProtocolLock:
    """For one thread at a time. `lost`, an event for each lease, is set before that can end."""

    def __init__(self, url, name, ttl=30.0):
        self.name, self.ttl, self.fence, self.lost = name, ttl, 0, threading.Event()
        self._claim, self._ttl_ms, self._id = min(3.0, ttl), round(ttl * 1000), os.urandom(8).hex()
        self._waiting = self._held = ""  # tokens
        self._valid_until, self._uncertain = 0.0, {}  # until when an old acquire may be carried out
        self._counter, self._synced_at = 0, -1e9  # of the fences, on the present connections
        self._is_bare = self._meets_others = False
        self._released, self._closed = threading.Event(), threading.Event()
        self.close = self._closed.set
        self._subscribed, self._messages = threading.Event(), queue.Queue()
        self._redis = redis.Redis.from_url(url, decode_responses=True, retry=Retry(NoBackoff(), 0),
                                           socket_timeout=min(REQUEST_TIMEOUT, ttl / 4),
                                           redis_connect_func=self._connected)
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *_):
        self.release()

    def acquire(self, timeout=1e9):
        token = self._waiting = f"dlock1:{self._id}:{os.urandom(16).hex()}:{self._claim * 1000:.0f}"
        try:
            return self._wait(token, clock() + timeout)
        finally:
            self._waiting = ""
            if self._held != token:
                self._give_back(token)

    def release(self):
        token, self._held = self._held, ""
        self._released.set()
        if token and self._is_bare and self._delete(token):
            return
        if not token or not self._give_back(token):
            raise RuntimeError("the lease had ended before, or no server answers")

    def _wait(self, token, end):
        ticket, pair, seal = "", (0, 0), f"{uuid.uuid4().int >> 76}.{uuid.uuid4().int >> 76}"
        while clock() < end:
            if not self._subscribed.wait(5 * REQUEST_TIMEOUT):
                raise ConnectionError("no server lets us subscribe")
            asked = clock()
            try:
                if not ticket and token not in self._uncertain and (counter := self._bare(token)):
                    return self._hold(token, counter, asked + validity(self.ttl),
                                      min(self.ttl, 2.0), is_bare=True)
                asked = clock()
                reply = self._script("acquire", token, token, self._ttl_ms, "wait", ticket, "", "",
                                     seal)
            except (ConnectionError, TimeoutError):
                self._uncertain[token] = clock() + max(self.ttl + 1, 16)
                pair, look = (0, 0), clock() + 0.1
            else:
                if reply[0] == "acquired":
                    self._counter, self._synced_at = max(self._counter, int(reply[1])), asked
                    self._meets_others = bool(ticket)
                    return self._hold(token, reply[1], asked + validity(self.ttl), self.ttl)
                left_ms, place, ticket, now, whose = reply[1:]
                pair, look = (asked, int(now)), asked + LOOKS_AGAIN
                whose, _, known = whose.partition(":")
                if int(left_ms) >= 0:
                    look = min(look, asked + (int(left_ms) + 1 + 10 * int(place)) / 1000)
                if whose == "foreign" and place == "0":
                    look = min(look, asked + 0.1)
            while (now := clock()) < min(look, end):
                with contextlib.suppress(queue.Empty):  # it is time to look
                    word, of, *rest = self._messages.get(timeout=min(look, end) - now)
                    if of == token and word == "next":
                        look = min(look, clock() + int(rest[0]) / 1000)
                    elif of == token and is_proven(known, of, *rest):
                        since = (int(rest[1]) - pair[1]) / 1e6
                        began = pair[0] + since - 0.01 * abs(since)
                        until = began + validity(self._claim)
                        if began <= clock() <= until - self._claim * 2 / 3:
                            return self._hold(token, rest[0], until, self._claim)
                    look = look if word == "next" or of != token else 0  # not believed: ask
        return False

    def _connected(self, connection):
        """A new connection may lead to another server, with other counters."""
        connection.on_connect()
        self._counter, self._synced_at = 0, -1e9

    def _bare(self, token):
        """Without a script, the first request of a token: the counter; 0: ask the script."""
        def is_recent():
            return clock() < self._synced_at + 1
        if self._meets_others or not is_recent():
            return 0
        lock, queue_key = keys_of(self.name)[:2]
        block = self._redis.pipeline()
        block.set(lock, token, nx=True, px=self._ttl_ms).getrange(lock, 0, len(token))
        try:
            was_free, value, counter, has_queue = block.incr(FENCE_KEY).exists(queue_key).execute()
        except ResponseError:
            return 0
        self._meets_others = not was_free or bool(has_queue)
        is_good = is_recent() and self._counter < counter < self._counter + 10**12
        self._counter = counter if is_good else self._counter
        return counter if is_good and value == token and not self._meets_others else 0

    def _delete(self, token):
        """Whether the value was bare, and is gone; if not, only the script serves the waiters."""
        with contextlib.suppress(RedisError):
            self._meets_others = not self._redis.eval(script_text("release_bare"), 1, self.name,
                                                      token)
            return not self._meets_others
        return False

    def _hold(self, token, counter, until, length, is_bare=False):
        self.fence, self._valid_until, self._held = int(counter) * 64, until, token
        self._is_bare = is_bare
        self.lost, self._released = threading.Event(), threading.Event()
        threading.Thread(target=self._renew, daemon=True,
                         args=(token, self._released, self.lost, length / 3)).start()
        return True

    def _renew(self, token, released, lost, pause):
        while not released.wait(pause) and not lost.is_set():
            pause = self.ttl / 3 if self._renew_once(token, lost) else self._claim / 10

    def _renew_once(self, token, lost):
        asked, self._is_bare = clock(), False  # from now on the record has the fence
        with contextlib.suppress(RedisError):  # unknown
            letter = self._script("renew", token, token[24:32], token, self._ttl_ms, 0,
                                  self.fence // 64)[0]
            if letter != "k":
                lost.set()
            elif token == self._held:
                self._valid_until = asked + validity(self.ttl)
            return letter != "b" or self._give_back(token) or True
        return False

    def _give_back(self, token, until=0.0):
        """Whether it was held. Again until then, if an acquire or this may still be carried out."""
        until = self._uncertain.pop(token, until)
        try:
            was_held = self._script("release", token, token)[0] == "released"
        except RedisError:
            was_held, until = False, until or clock() + max(self.ttl + 1, 16)
        if clock() < until:
            threading.Timer(0.5, self._give_back, (token, until)).start()
        return was_held

    def _script(self, name, token, *arguments):
        keys = keys_of(self.name) if name != "renew" else [FENCE_KEY, *keys_of(self.name)[:3]]
        reply = self._redis.eval(script_text(name), len(keys), *keys, *arguments)
        echo, *words = reply.split(" ")
        if echo != token[24:32]:
            self._redis.connection_pool.disconnect()
            raise ConnectionError("the replies have shifted")
        return words

    def _listen(self):
        pubsub, registered, heard = self._redis.pubsub(), -1e9, -1e9
        while not self._closed.is_set():
            if self._held and clock() + self._claim / 4 > self._valid_until:
                self.lost.set()
            try:
                if clock() > heard + 2 * REQUEST_TIMEOUT:
                    self._subscribed.clear()
                    pubsub.reset()
                    pubsub.execute_command("SSUBSCRIBE", f"dlock1:c:{self._id}")
                    heard = clock()
                elif clock() > heard + REQUEST_TIMEOUT:
                    pubsub.execute_command("PING")
                if clock() > registered + 300:
                    who = f'{{"host": "{os.uname().nodename}", "pid": {os.getpid()}}}'
                    self._redis.set(f"dlock1:client:{{dlock1:c:{self._id}}}", who, px=600_000)
                    registered = clock()
                if message := pubsub.parse_response(block=False, timeout=self._claim / 10):
                    heard = clock()
                    self._subscribed.set()  # the first is the confirmation
                    if message[0] == "smessage":
                        self._take(*message[2].split(" "))
            except RedisError:
                heard = -1e9
                self._closed.wait(0.1)

    def _take(self, word, token, *rest):
        if token == self._waiting:
            self._messages.put((word, token, *rest))
        elif word in ("break", "record") and token == self._held:
            self._renew_once(token, self.lost)  # the answer says whether a break is true
        elif word == "grant" and token != self._held:
            self._give_back(token)


if __name__ == "__main__":
    with ProtocolLock(*sys.argv[1:3]):
        sys.exit(os.spawnvp(os.P_WAIT, sys.argv[3], sys.argv[3:]))
