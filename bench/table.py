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
# What a table shows the rounds' spread of, in a column that follows.
SPREAD = ("p50_us", "pairs_per_s", "handoffs_per_s", "drain_ms", "wall_p50_us")
# What is shown of each case where servers are compared.
COMPARED = {"A": SHAPE["A"][0], "B": SHAPE["B"][0], "C": SHAPE["C"][0]}
COMMANDS = ("command_us_per_acquisition", "commands us")
ORDER = [subject.name for subject in ALL]


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def tables_of(case, rows):
    """(title, head, lines) of each table of a case on one server, in order."""
    mine = [row for row in rows if row["case"] == case]
    sizes = sorted({row["workers"] for row in mine})
    groups = [(None, mine)] if case in BY_SIZE else \
        [(size, [row for row in mine if row["workers"] == size]) for size in sizes]
    for size, group in groups:
        cells = {(row["subject"], row["workers"], row["metric"]): row for row in group}
        shown = [(m, h) for m, h in SHAPE[case] if any(metric == m for *_, metric in cells)]
        spread = {m for m, _ in shown if m in SPREAD
                  and any(row["rounds"] > 1 for row in group if row["metric"] == m)}
        keys = sorted({key[:2] for key in cells}, key=rank)
        if case not in BY_SIZE and case != "H":
            keys = best_first(keys, case, lambda key: cells.get((*key, SHAPE[case][0][0])))
        head = ["", *(["workers"] if case in BY_SIZE else [])]
        for metric, heading in shown:
            head += [heading, "rounds"] if metric in spread else [heading]
        lines = []
        for subject, workers in keys:
            line = [subject, *([number(workers)] if case in BY_SIZE else [])]
            for metric, _ in shown:
                row = cells.get((subject, workers, metric))
                line += [median(row), rounds(row)] if metric in spread else [median(row)]
            lines.append(line)
        if lines:
            yield size, head, lines


def comparisons_of(case, rows):
    """(title, head, lines) of each table that shows a case on all servers, side by side."""
    metric, heading = COMPARED[case]
    cells = {(row["server"], row["workers"], row["subject"], row["metric"]): row
             for row in rows if row["case"] == case}
    servers = servers_in(rows)
    for size in sorted({key[1] for key in cells if key[3] == metric}):
        subjects = sorted({key[2] for key in cells if key[1] == size and key[3] == metric})
        subjects = best_first(subjects, case, lambda subject: next(
            filter(None, (cells.get((server, size, subject, metric)) for server in servers)), None))
        head = ["", *(f"{server}: {heading}" for server in servers)]
        if case == "A":
            head += [f"{server}: {COMMANDS[1]}" for server in servers]
        lines = []
        for subject in subjects:
            line = [subject]
            for row in (cells.get((server, size, subject, metric)) for server in servers):
                line.append(median(row) + (f" ({rounds(row)})" if row and row["rounds"] > 1 else ""))
            if case == "A":
                line += [median(cells.get((server, size, subject, COMMANDS[0]))) for server in servers]
            lines.append(line)
        yield size, head, lines


def best_first(keys, case, row_of):
    def place(key):
        row = row_of(key)
        return (row is None, 0 if row is None else row["median"] if case == "A" else -row["median"])
    return sorted(keys, key=place)


def median(row):
    return number(row and row["median"])


def rounds(row):
    return f"{number(row['min'])} to {number(row['max'])}" if row else "-"


def rank(key):
    subject, workers = key
    return (ORDER.index(subject) if subject in ORDER else 1 if subject.startswith("dlock") else 99,
            subject, workers)


def on(server, rows):
    return [row for row in rows if row["server"] == server]


def servers_in(rows):
    """In the order in which they were measured."""
    return list(dict.fromkeys(row["server"] for row in rows))


def cases_in(rows):
    return sorted({row["case"] for row in rows})


def title_of(case, size):
    title = cases.ALL[case[0]].TITLE if case in cases.ALL else f"{case}. Four processes of 8 threads"
    if case == "D":
        title = "D. One lock, 32 threads of one process"
    return f"{title}: {size} worker{'s' if size != 1 else ''}" if size and case in "BC" else title


def aligned(title, head, lines):
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    text = [title]
    for line in [head, *lines]:
        text.append("  " + "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))).rstrip())
    return "\n".join(text)


def as_text(rows, about):
    """All tables of the first server, and what the others are compared by."""
    servers = servers_in(rows)
    parts = []
    for case in cases_in(rows):
        parts += [aligned(title_of(case, size), head, lines)
                  for size, head, lines in tables_of(case, on(servers[0], rows))]
        if len(servers) > 1 and case in COMPARED:
            parts += [aligned(f"{title_of(case, size)}; each server", head, lines)
                      for size, head, lines in comparisons_of(case, rows)]
    for subject, why in about["missing"].items():
        parts.append(f"missing: {subject}: {why}")
    parts += [f"note: {note}" for note in about["notes"]]
    parts.append(f"placement: {about['placement']}; other processes used {about['others_percent']} % of "
                 "the cores during the runs")
    parts.append(f"{about['mode']} run of {about['date']}: medians of {about['rounds']} rounds; "
                 f"{about['processor']}, {about['cores']} cores, {', '.join(about['servers'].values())}")
    return "\n\n".join(parts)


def as_markdown(case, tables):
    parts = []
    for size, head, lines in tables:
        if size and case in "BC":
            parts.append(f"{size} worker{'s' if size != 1 else ''}:")
        table = [" | ".join(["", *head, ""]).strip(), "| --- " + "| ---: " * (len(head) - 1) + "|"]
        table += [f"| {' | '.join(line)} |" for line in lines]
        parts.append("\n".join(table))
    return "\n\n".join(parts)
