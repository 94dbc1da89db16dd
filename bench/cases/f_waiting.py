"""F. Waiting: very many waiters on one lock from four processes, then all served.

Subject `dlock`: threads that share one client in each process. Subject `dlock-clients`: each waiter
is a client of its own, with a connection and a place in the server's queue.
"""

import pathlib
import time

import samples
from driver import DriverFailed
from subjects import commands_sent

TITLE = "F. Waiters of four processes"
PROCESSES = 4


def run(context):
    sizes = (100, 1000) if context.quick else (1000, 10000)
    runs = [("dlock", size) for size in (10 * PROCESSES, *sizes)]
    runs += [("dlock-clients", size) for size in (10 * PROCESSES, sizes[0])]
    for subject, waiters in runs:
        for number in range(context.rounds):
            context.progress(f"F: {subject}, {waiters} waiters, round {number + 1}/{context.rounds}")
            drain(context, subject, waiters)
    context.close_fleets()


def drain(context, subject, waiters):
    """A holder, all waiters in line behind it, and the release."""
    name = context.fresh_name()
    fleet = context.fleet("dlock", PROCESSES + 1)
    holder, *others = fleet.drivers
    holder.start("dlock", "one", name, 1, count=1, hold_ms=2000 + waiters // 2)
    holder.expect("armed")
    for driver in others:
        driver.start(subject, "one", name, waiters // PROCESSES, count=1)
    for driver in others:
        driver.expect("armed")
    memory, server_memory = resident(others), used_memory(context)
    now = time.monotonic_ns()
    holder.say("go", now, now + int(600e9))
    wait_for(lambda: context.server.command("EXISTS", name), "the holder has no lock")
    for driver in others:
        driver.say("go", now, now + int(600e9))
    wait_for(lambda: all(map(is_waiting, others, [waiters // PROCESSES] * PROCESSES)),
             "the waiters do not come to rest")
    if not context.server.command("EXISTS", name):
        raise DriverFailed("F: the holder released before all waited")
    queue = f"dlock1:qw:{{{name}}}"
    queued = context.server.command("ZCARD", queue)
    queue_bytes = context.server.command("MEMORY", "USAGE", queue, "SAMPLES", "0") or 0
    metrics = {
        "client_bytes_per_waiter": (resident(others) - memory) / waiters,
        "server_bytes_per_waiter": (used_memory(context) - server_memory) / waiters,
        "queue_bytes_per_queued": queue_bytes / max(1, queued),
        "queued": queued,
    }
    calls = context.server.calls()
    for driver in fleet.drivers:
        driver.expect("done", 300)
    commands = commands_sent("dlock", calls, context.server.calls())
    released = samples.read([holder])[0].releasing
    acquired = sorted(sample.acquired for sample in samples.read(others))
    context.results.add("F", subject, waiters, **metrics,
                        commands_per_acquisition=commands / waiters,
                        drain_ms=(acquired[-1] - released) / 1e6,
                        served=len(acquired))


def is_waiting(driver, workers):
    """All threads are there, and did nothing for a tenth of a second."""
    threads = len(list(pathlib.Path(f"/proc/{driver.pid}/task").iterdir()))
    if threads < workers:
        return False
    before = driver.cpu_ns()
    time.sleep(0.1)
    return driver.cpu_ns() - before < 5e6


def wait_for(condition, problem, limit=120):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise DriverFailed(f"F: {problem}")
        time.sleep(0.005)


def resident(drivers):
    return sum(driver.resident_bytes() for driver in drivers)


def used_memory(context):
    return int(context.server.info("memory")["used_memory"])
