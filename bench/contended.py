"""Measuring one lock that many workers want at once; cases C and D."""

import placement
from samples import Contention, percentile


def measure(context, case, subject, processes, workers, seconds, where=placement.PRIMARY):
    """Adds one round. `workers` in each of `processes`; the holder does nothing with the lock."""
    done = context.measure(subject, "one", processes, workers, seconds, where)
    seen = Contention(done.samples, done.begin, done.end, processes * workers)
    metrics = {
        "handoffs_per_s": seen.handoffs_per_s,
        "acquisitions_per_s": seen.acquisitions_per_s,
        "gap_p50_us": percentile(seen.gaps_us, 50),
        "gap_p99_us": percentile(seen.gaps_us, 99),
        "wait_p50_us": percentile(seen.waits_us, 50),
        "wait_p99_us": percentile(seen.waits_us, 99),
        "wait_max_us": max(seen.waits_us, default=0),
        "fairness": seen.fairness,
        "process_fairness": seen.process_fairness,
        "commands_per_acquisition": done.commands / done.acquired,
        "server_cpu_us_per_acquisition": done.server_cpu_us / done.acquired,
        "client_cpu_us_per_acquisition": done.client_cpu_us / done.acquired,
        "violations": seen.violations,
    }
    context.results.add(case, subject, processes * workers, **{
        placement.metric_name(name, where): value for name, value in metrics.items()})
    if seen.violations:
        context.results.note(f"{case}: {subject} had {seen.violations} violations of exclusion among "
                             f"{seen.total} acquisitions of {processes * workers} workers")
