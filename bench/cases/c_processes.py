"""C. One lock, many processes, an empty critical section: hand-offs between workers."""

import contended
import placement
from samples import percentile
from subjects import DLOCK, PEERS

TITLE = "C. One lock, N processes"


def run(context):
    seconds = 0.5 if context.quick else 2
    for processes in (2, 8, 32):
        floors = ("floor-grant", "floor-blpop") + (("floor-publish",) if processes == 2 else ())
        subjects = context.available(*DLOCK, *floors, *PEERS)

        def measure(subject):
            if subject == "floor-publish":
                one_way(context, seconds)
                return
            contended.measure(context, "C", subject, processes, 1, seconds)
            # Few of the peers would be worth the time.
            if processes == 8 and subject in ("dlock", "floor-grant", "floor-blpop"):
                for where in placement.PLACEMENTS[1:]:
                    contended.measure(context, "C", subject, processes, 1, seconds, where)
        context.in_turns(subjects, f"C with {processes} processes", measure)
        context.close_fleets()


def one_way(context, seconds):
    """No hand-off can be faster than one message through the server."""
    done = context.measure("floor-publish", "one", 1, 1, seconds)
    times = [(sample.acquired - sample.asked) / 1e3 for sample in done.samples]
    context.results.add("C", "floor-publish", 2, gap_p50_us=percentile(times, 50),
                        gap_p99_us=percentile(times, 99))
