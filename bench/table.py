"""Results as tables: on the terminal, and as Markdown."""

import cases
from subjects import ALL

# What a table shows of each case: (metric, heading). One table for each number of workers, unless a
# case has one subject, whose sizes are its rows then.
SHAPE = {
    "A": [("p50_us", "p50 us"), ("p99_us", "p99 us"), ("client_cpu_us_per_acquisition", "client us"),
          ("server_cpu_us_per_acquisition", "server us"), ("command_us_per_acquisition", "commands us"),
          ("shared_p50_us", "p50, one core"), ("shared_p99_us", "p99, one core"),
          ("client_instructions_per_acquisition", "instructions"),
          ("client_system_calls_per_acquisition", "system calls")],
    "B": [("pairs_per_s", "pairs/s"), ("server_cpu_us_per_acquisition", "server us"),
          ("client_cpu_us_per_acquisition", "client us")],
    "C": [("handoffs_per_s", "hand-offs/s"), ("acquisitions_per_s", "acquired/s"),
          ("gap_p50_us", "gap p50 us"), ("gap_p99_us", "gap p99 us"), ("wait_p50_us", "wait p50 us"),
          ("wait_p99_us", "wait p99 us"), ("wait_max_us", "wait max us"), ("fairness", "fairness"),
          ("commands_per_acquisition", "commands"), ("server_cpu_us_per_acquisition", "server us"),
          ("shared_handoffs_per_s", "hand-offs/s, one core"), ("violations", "violations")],
    "D": [("handoffs_per_s", "hand-offs/s"), ("gap_p50_us", "gap p50 us"),
          ("gap_p99_us", "gap p99 us"), ("wait_p99_us", "wait p99 us"), ("fairness", "fairness"),
          ("process_fairness", "of processes"), ("commands_per_acquisition", "commands"),
          ("violations", "violations")],
    "E": [("client_cpu_percent", "client CPU %"), ("server_cpu_percent", "server CPU %"),
          ("client_bytes_per_lease", "client bytes"), ("server_bytes_per_lease", "server bytes"),
          ("commands_per_s", "commands/s"), ("lost", "lost")],
    "F": [("client_bytes_per_waiter", "client bytes"), ("server_bytes_per_waiter", "server bytes"),
          ("queued", "in the queue"), ("server_bytes_per_queued", "server bytes each of these"),
          ("commands_per_acquisition", "commands"), ("drain_ms", "drain ms")],
    "G": [("holder_killed_ttls", "holder killed, ttl"), ("holder_stopped_ttls", "holder stopped, ttl"),
          ("waiter_killed_claims", "waiter killed, claim"),
          ("waiter_stopped_claims", "waiter stopped, claim")],
    "H": [("wall_p50_us", "wall p50 us"), ("wall_p99_us", "wall p99 us"),
          ("instructions", "instructions"), ("round_trips", "round trips")],
}
SHAPE["D.4x8"] = SHAPE["D"]
BY_SIZE = ("E", "F", "G")
ORDER = [subject.name for subject in ALL]


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def tables_of(case, rows):
    """(title, head, lines) of each table of a case, in order."""
    mine = [row for row in rows if row["case"] == case]
    sizes = sorted({row["workers"] for row in mine})
    columns = [(m, h) for m, h in SHAPE[case] if any(row["metric"] == m for row in mine)]
    groups = [(None, mine)] if case in BY_SIZE else \
        [(size, [row for row in mine if row["workers"] == size]) for size in sizes]
    for size, group in groups:
        if not group:
            continue
        shown = [(m, h) for m, h in columns if any(row["metric"] == m for row in group)]
        keys = sorted({(row["subject"], row["workers"]) for row in group}, key=rank)
        if case not in BY_SIZE and case != "H":
            first = SHAPE[case][0][0]
            keys.sort(key=lambda key: -(value_of(group, *key, first) or 0) * (-1 if case == "A" else 1))
        head = ["", *(["workers"] if case in BY_SIZE else []), *(h for _, h in shown)]
        lines = [[subject, *([number(workers)] if case in BY_SIZE else []),
                  *(number(value_of(group, subject, workers, m)) for m, _ in shown)]
                 for subject, workers in keys]
        yield size, head, lines


def rank(key):
    subject, workers = key
    return (ORDER.index(subject) if subject in ORDER else 1 if subject.startswith("dlock") else 99,
            subject, workers)


def value_of(rows, subject, workers, metric):
    return next((row["median"] for row in rows
                 if (row["subject"], row["workers"], row["metric"]) == (subject, workers, metric)),
                None)


def cases_in(rows):
    return sorted({row["case"] for row in rows})


def title_of(case, size):
    title = cases.ALL[case[0]].TITLE if case in cases.ALL else f"{case}. Four processes of 8 threads"
    if case == "D":
        title = "D. One lock, 32 threads of one process"
    return f"{title}: {size} worker{'s' if size != 1 else ''}" if size and case in "BC" else title


def as_text(rows, about):
    parts = []
    for case in cases_in(rows):
        for size, head, lines in tables_of(case, rows):
            widths = [max(map(len, column)) for column in zip(head, *lines)]
            text = [title_of(case, size)]
            for line in [head, *lines]:
                text.append("  " + "  ".join(
                    cell.ljust(width) if i == 0 else cell.rjust(width)
                    for i, (cell, width) in enumerate(zip(line, widths))).rstrip())
            parts.append("\n".join(text))
    for subject, why in about["missing"].items():
        parts.append(f"missing: {subject}: {why}")
    parts += [f"note: {note}" for note in about["notes"]]
    parts.append(f"{about['mode']} run of {about['date']}: medians of {about['rounds']} rounds; "
                 f"{about['processor']}, {about['cores']} cores, {about['server']}")
    return "\n\n".join(parts)


def as_markdown(case, rows):
    parts = []
    for size, head, lines in tables_of(case, rows):
        if size and case in "BC":
            parts.append(f"{size} worker{'s' if size != 1 else ''}:")
        table = [" | ".join(["", *head, ""]).strip(), "| --- " + "| ---: " * (len(head) - 1) + "|"]
        table += [f"| {' | '.join(line)} |" for line in lines]
        parts.append("\n".join(table))
    return "\n\n".join(parts)
