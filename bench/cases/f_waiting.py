"""F. Waiting: very many waiters on one lock from four processes, then all served.

Subject `dlock`: threads that share one client in each process. Subject `dlock-clients`: each waiter
is a client of its own, with a connection and a place in the server's queue.
"""

import pathlib
import signal
import time

import samples
from driver import DriverFailed
from subjects import commands_sent

TITLE = "F. Waiters of four processes"
PROCESSES = 4


def run(context):
    if not context.available("dlock"):
        return
    sizes = (100, 1000) if context.quick else (1000, 10000)
    runs = [("dlock", size) for size in (10 * PROCESSES, *sizes)]
    runs += [("dlock-clients", size) for size in (10 * PROCESSES, sizes[0])]
    for subject, waiters in runs:
        for number in range(context.rounds):
            context.progress(f"F: {subject}, {waiters} waiters, round {number + 1}/{context.rounds}")
            context.attempt(f"F: {subject}, {waiters} waiters", "dlock",
                            lambda: drain(context, subject, waiters))
    context.close_fleets()


def drain(context, subject, waiters):
    """A holder, all waiters in line behind it, and the release."""
    name = context.fresh_name()
    fleet = context.fleet("dlock", PROCESSES + 1)
    holder, *others = fleet.drivers
    # Stopped as soon as it holds; when it goes on its time is over, and it releases at once.
    holder.start("dlock", "one", name, 1, count=1, hold_ms=200, ttl_ms=300000)
    holder.expect("armed")
    for driver in others:
        driver.start(subject, "one", name, waiters // PROCESSES, count=1)
    for driver in others:
        driver.expect("armed")
    memory = resident(others)
    now = time.monotonic_ns()
    holder.say("go", now, now + int(600e9))
    wait_for(lambda: context.server.command("EXISTS", name), "the holder has no lock")
    holder.signal(signal.SIGSTOP)
    for driver in others:
        driver.say("go", now, now + int(600e9))
    queue, seen = f"dlock1:qw:{{{name}}}", f"dlock1:sw:{{{name}}}"
    places = waiters if subject == "dlock-clients" else PROCESSES
    wait_for(lambda: context.server.command("ZCARD", queue) == places and
             all(map(is_waiting, others, [waiters // PROCESSES] * PROCESSES)),
             "the waiters do not come to rest")
    queued = context.server.command("ZCARD", queue)
    in_keys = sum(context.server.command("MEMORY", "USAGE", key, "SAMPLES", "0") or 0
                  for key in (queue, seen))
    metrics = {
        "client_bytes_per_waiter": (resident(others) - memory) / waiters,
        "server_bytes_per_waiter": in_keys / waiters,
        "server_bytes_per_queued": in_keys / max(1, queued),
        "queued": queued,
    }
    calls = context.server.calls()
    holder.signal(signal.SIGCONT)
    _, errors = fleet.done(300)
    if errors:
        context.results.note(f"F: {subject}: {errors} of {waiters} waiters gave up")
    commands, _ = commands_sent("dlock", calls, context.server.calls())
    released = samples.read([holder])[0].releasing
    acquired = sorted(sample.acquired for sample in samples.read(others))
    context.results.add("F", subject, waiters, **metrics,
                        commands_per_acquisition=commands / waiters,
                        drain_ms=(acquired[-1] - released) / 1e6,
                        served=len(acquired))


def is_waiting(driver, workers):
    """All threads are there, and did next to nothing for a tenth of a second."""
    threads = len(list(pathlib.Path(f"/proc/{driver.pid}/task").iterdir()))
    if threads < workers:
        return False
    before = driver.cpu_ns()
    time.sleep(0.1)
    return driver.cpu_ns() - before < 20e6


def wait_for(condition, problem, limit=120):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise DriverFailed(f"{problem}")
        time.sleep(0.005)


def resident(drivers):
    return sum(driver.resident_bytes() for driver in drivers)
