"""E. Holding many renewed leases in one process."""

import time

from subjects import commands_sent

TITLE = "E. Holding renewed leases, one process"


def run(context):
    if not context.available("dlock"):
        return
    # One round each: nothing is compared, and a minute is long.
    sizes, seconds, ttl_ms = ((1000, 10000), 12, 9000) if context.quick else \
        ((10000, 100000), 60, 30000)
    for leases in sizes:
        context.progress(f"E: acquiring {leases} leases")
        fleet = context.fleet("dlock", 1)
        driver = fleet.drivers[0]
        memory, server_memory = driver.resident_bytes(), used_memory(context)
        fleet.start("dlock-leases", "own", context.fresh_name(), leases, ttl_ms=ttl_ms)
        held_memory, held_server_memory = driver.resident_bytes(), used_memory(context)
        cpu, server_cpu, calls = fleet.cpu_ns(), context.server.cpu_seconds(), context.server.calls()
        _, end = fleet.go(seconds)
        for left in range(seconds, 0, -10):
            context.progress(f"E: holding {leases} leases, {left} s left")
            time.sleep(max(0, min(10, end / 1e9 - time.monotonic() - 0.5)))
        # Before the end, as giving them back is not holding.
        span = seconds + (time.monotonic() - end / 1e9)
        cpu, server_cpu = fleet.cpu_ns() - cpu, context.server.cpu_seconds() - server_cpu
        commands, _ = commands_sent("dlock", calls, context.server.calls())
        context.progress(f"E: releasing {leases} leases")
        _, lost = fleet.done(seconds + 300)
        context.results.add(
            "E", "dlock", leases,
            client_cpu_percent=cpu / 1e7 / span,
            server_cpu_percent=server_cpu * 100 / span,
            client_bytes_per_lease=(held_memory - memory) / leases,
            server_bytes_per_lease=(held_server_memory - server_memory) / leases,
            commands_per_s=commands / span,
            lost=lost)
        context.close_fleets()


def used_memory(context):
    return int(context.server.info("memory")["used_memory"])
