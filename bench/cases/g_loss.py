"""G. Loss: how long until the next waiter works when a holder or the next in line is gone.

`killed`: kill -9, the connection is closed. `stopped`: SIGSTOP, which is how a host that vanished
looks to the server: the connection stays open and nothing comes.
"""

import signal
import time

import placement
import samples
from driver import DriverFailed, Fleet
from subjects import BY_NAME

TITLE = "G. Loss of a holder, and of a waiter that was just granted"
PEERS = ("redis-py-1ms", "redisson")  # one that polls, one that renews


def run(context):
    ttl_ms = 1500 if context.quick else 3000
    for number in range(context.rounds):
        for how in ("killed", "stopped"):
            for subject in context.available("dlock", *PEERS):
                context.progress(f"G: round {number + 1}/{context.rounds}, holder {how}, {subject}")
                context.attempt(f"G: holder {how}", subject,
                                lambda: lose_holder(context, subject, how, ttl_ms))
            if not context.available("dlock"):
                continue
            context.progress(f"G: round {number + 1}/{context.rounds}, waiter {how}, dlock")
            context.attempt(f"G: waiter {how}", "dlock", lambda: lose_waiter(context, how, ttl_ms))


class Party:
    """One process that takes the lock once."""

    def __init__(self, context, subject):
        self.subject = subject
        self.fleet = Fleet(context.command(BY_NAME[subject].driver), 1, context.server,
                           context.directory, placement.worker_cpu(placement.PRIMARY))
        self.driver = self.fleet.drivers[0]

    def take(self, name, hold_ms, ttl_ms):
        self.driver.start(self.subject, "one", name, 1, count=1, hold_ms=hold_ms, ttl_ms=ttl_ms)
        self.driver.expect("armed")
        now = time.monotonic_ns()
        self.driver.say("go", now, now + int(600e9))

    def lose(self, how):
        self.driver.signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)

    def sample(self):
        self.driver.expect("done", 120)
        return samples.read([self.driver])[0]


def lose_holder(context, subject, how, ttl_ms):
    name = context.fresh_name()
    holder, waiter = Party(context, subject), Party(context, subject)
    try:
        holder.take(name, 600000, ttl_ms)
        wait_for(lambda: context.server.command("EXISTS", name))
        waiter.take(name, 0, ttl_ms)
        time.sleep(0.2)  # peers have no queue in which to see the waiter
        lost = time.monotonic_ns()
        holder.lose(how)
        after_ms = (waiter.sample().acquired - lost) / 1e6
        context.results.add("G", subject, 2, **{f"holder_{how}_ttls": after_ms / ttl_ms})
    finally:
        holder.fleet.close()
        waiter.fleet.close()


def lose_waiter(context, how, ttl_ms):
    """The next in line stops, the lock is granted to it, and (`killed`) it dies then."""
    name = context.fresh_name()
    queue = f"dlock1:qw:{{{name}}}"
    parties = [Party(context, "dlock") for _ in range(3)]
    holder, dead, waiter = parties
    try:
        holder.take(name, 700, ttl_ms)
        wait_for(lambda: context.server.command("EXISTS", name))
        dead.take(name, 0, ttl_ms)
        wait_for(lambda: context.server.command("ZCARD", queue) == 1)
        waiter.take(name, 0, ttl_ms)
        wait_for(lambda: context.server.command("ZCARD", queue) == 2)
        dead.lose("stopped")
        before = context.server.command("GET", name)
        wait_for(lambda: context.server.command("GET", name) != before)
        if how == "killed":
            dead.lose("killed")
        after_ms = (waiter.sample().acquired - holder.sample().releasing) / 1e6
        context.results.add("G", "dlock", 3,
                            **{f"waiter_{how}_claims": after_ms / min(3000, ttl_ms)})
    finally:
        for party in parties:
            party.fleet.close()


def wait_for(condition, limit=30):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise DriverFailed("a driver does not do what it was told")
        time.sleep(0.001)
