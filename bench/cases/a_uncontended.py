"""A. One worker, no contention: how long acquire and release take together."""

import cost
import placement
from samples import percentile
from subjects import DLOCK, PEERS

TITLE = "A. One worker, no contention"


def run(context):
    seconds = 0.3 if context.quick else 1
    subjects = context.available(*DLOCK, "floor-pair", "floor-grant", "floor-publish", "floor-tcp",
                                 *PEERS)

    def measure(subject):
        for where in placement.PLACEMENTS:
            done = context.measure(subject, "own", 1, 1, seconds, where)
            pairs = [(s.acquired - s.asked + s.released - s.releasing) / 1e3 for s in done.samples]
            metrics = {
                "p50_us": percentile(pairs, 50),
                "p99_us": percentile(pairs, 99),
                "client_cpu_us_per_acquisition": done.client_cpu_us / done.acquired,
                "server_cpu_us_per_acquisition": done.server_cpu_us / done.acquired,
                "commands_per_acquisition": done.commands / done.acquired,
                "command_us_per_acquisition": done.command_us / done.acquired,
            }
            context.results.add("A", subject, 1, **{
                placement.metric_name(name, where): value for name, value in metrics.items()})
    context.in_turns(subjects, "A", measure)
    counted_of = () if context.times_only else ("dlock", "dlock-async", "floor-pair", "floor-grant")
    for subject in context.available(*counted_of):
        context.progress(f"A: instructions and system calls of {subject}")
        counted = {"client_instructions_per_acquisition": cost.instructions_per_pair,
                   "client_system_calls_per_acquisition": cost.system_calls_per_pair}
        for metric, count in counted.items():
            value = count(context, subject)
            if value is not None:
                context.results.add("A", subject, 1, **{metric: value})
    context.close_fleets()
