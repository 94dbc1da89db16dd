"""What is measured: dlock, the floors below which nothing goes, and the peers."""

import collections

# Scripts' own calls are counted by the server too. These commands no script calls, so they were sent
# by a client; `sends` are those a client of this subject sends besides.
ALWAYS_SENT = ("eval", "evalsha", "eval_ro", "evalsha_ro", "script|load", "ping", "blpop", "subscribe",
               "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "watch",
               "exec", "delifeq", "delex")
TIMED_ONLY = ("multi",)  # a block of commands counts as one: its EXEC, which takes their time

Subject = collections.namedtuple("Subject", "name driver sends what")

ALL = [
    Subject("dlock", "worker", (), "this library, threads"),
    Subject("dlock-async", "worker", (), "this library, handlers instead of threads"),
    Subject("dlock-python", "dlock-python", (), "this library in Python, threads"),
    Subject("dlock-asyncio", "dlock-python", (), "this library in Python, tasks of asyncio"),
    Subject("dlock-node", "dlock-node", (), "this library in Node.js"),
    Subject("floor-pair", "worker", ("set",), "SET NX PX, compare-and-delete; blocking"),
    Subject("floor-pipeline", "worker", ("set",), "the same of all workers on one connection"),
    Subject("floor-grant", "worker", (), "dlock's scripts in a minimal program"),
    Subject("floor-blpop", "worker", ("rpush",), "a token in a list: BLPOP and RPUSH"),
    Subject("floor-publish", "worker", ("publish",), "PUBLISH to one subscriber, one way"),
    Subject("floor-tcp", "worker", (), "loopback TCP, there and back, no Redis"),
    Subject("redis-py", "python", ("set",), "redis-py Lock, its default sleep of 100 ms"),
    Subject("redis-py-1ms", "python", ("set",), "redis-py Lock, sleep of 1 ms"),
    Subject("redis-py-asyncio", "python", ("set",), "redis-py Lock in asyncio, 100 ms"),
    Subject("python-redis-lock", "python", ("set",), "python-redis-lock"),
    Subject("pottery", "python", ("set",), "pottery Redlock, its default delay of 0 to 200 ms"),
    Subject("pottery-asyncio", "python", ("set",), "pottery AIORedlock, the same"),
    Subject("redlock", "node", (), "node redlock, its default delay of 200 ms"),
    Subject("redis-semaphore", "node", ("set",), "node redis-semaphore, its default delay of 10 ms"),
    Subject("redsync", "go", ("set",), "Go redsync, its default delay of 50 to 250 ms"),
    Subject("bsm-redislock", "go", (), "Go bsm/redislock, with a delay of 1 ms"),
    Subject("rueidislock", "go", ("set",), "Go rueidislock, its default KeyMajority of 2"),
    Subject("rueidislock-1", "go", ("set",), "Go rueidislock, KeyMajority 1"),
    Subject("redisson", "java", (), "Java Redisson RLock"),
    Subject("redisson-fair", "java", (), "Java Redisson RFairLock"),
]
BY_NAME = {subject.name: subject for subject in ALL}
DLOCK = [subject.name for subject in ALL if subject.name.startswith("dlock")]
PEERS = [subject.name for subject in ALL if not subject.name.startswith(("dlock", "floor"))]
TCP_ONLY = ("floor-tcp", "redisson", "redisson-fair")  # cannot connect to a unix socket


def commands_sent(subject, before, after):
    """How many, and how long the server took for them, us: from its counts before and after."""
    def grown(names, i):
        return sum(after.get(name, (0, 0))[i] - before.get(name, (0, 0))[i] for name in names)
    names = (*ALWAYS_SENT, *BY_NAME[subject].sends)
    return grown(names, 0), grown((*names, *TIMED_ONLY), 1)
