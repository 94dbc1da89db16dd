"""B. Throughput of one process on distinct names: threads of one client, and many waits at once."""

from subjects import DLOCK, PEERS

TITLE = "B. Throughput on distinct names, one process"

# Those whose workers are no threads, so that a thousand are nothing unusual.
MANY = ("dlock-async", "dlock-asyncio", "dlock-node", "redlock", "redis-semaphore",
        "redsync", "bsm-redislock", "rueidislock-1")


def run(context):
    seconds = 0.5 if context.quick else 2
    for workers in (1, 8, 64, 1000):
        if workers == 1000:
            subjects = context.available("floor-pipeline", *MANY)
        else:
            subjects = context.available(*DLOCK, "floor-pair", "floor-pipeline", *PEERS)

        def measure(subject):
            done = context.measure(subject, "own", 1, workers, seconds)
            # The pipeline keeps no samples: it ends within a round of all workers.
            inside = sum(sample.released < done.end for sample in done.samples) or done.acquired
            context.results.add(
                "B", subject, workers,
                pairs_per_s=inside / seconds,
                server_cpu_us_per_acquisition=done.server_cpu_us / done.acquired,
                client_cpu_us_per_acquisition=done.client_cpu_us / done.acquired,
                commands_per_acquisition=done.commands / done.acquired)
        context.in_turns(subjects, f"B with {workers} workers", measure)
    context.close_fleets()
