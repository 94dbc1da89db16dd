"""D. One lock, 32 threads: of one process, and of four (case D.4x8)."""

import contended
from subjects import DLOCK, PEERS

TITLE = "D. One lock, 32 threads of one process; of four (D.4x8)"


def run(context):
    seconds = 0.5 if context.quick else 2
    for case, processes, threads in (("D", 1, 32), ("D.4x8", 4, 8)):
        context.in_turns(context.available(*DLOCK, "floor-grant", *PEERS), case,
                         lambda subject: contended.measure(context, case, subject, processes, threads,
                                                           seconds))
        context.close_fleets()
