"""What the figures are to reach, and whether they do."""

import collections

import table
from subjects import BY_NAME, PEERS

Aim = collections.namedtuple("Aim", "what most least value")  # at most, at least: one of them is None
PEERS_OF = {"dlock-python": "python", "dlock-asyncio": "python", "dlock-node": "node"}


class Figures:
    """Looks up rows, on the first server if not said otherwise; None where nothing was measured."""

    def __init__(self, rows):
        self._first = next(iter(table.servers_in(rows)), None)
        self._rows = {tuple(row[field] for field in ("server", "case", "subject", "workers", "metric")):
                      row for row in rows}

    def of(self, case, subject, workers, metric, end="median", server=None):
        row = self._rows.get((server or self._first, case, subject, workers, metric))
        return row and row[end]

    def best(self, case, subjects, workers, metric, best=max):
        """The best median of some subjects."""
        values = [self.of(case, subject, workers, metric) for subject in subjects]
        return best((value for value in values if value), default=None)


def ratio(one, other):
    return None if one is None or not other else one / other


def aims_of(rows):
    """All aims for which there are figures."""
    seen = Figures(rows)
    found = [*uncontended(seen), *throughput(seen), *contended(seen), *languages(seen), *rest(seen)]
    return [aim for aim in found if aim.value is not None]


def uncontended(seen):
    yield Aim("A: p50, beside `floor-pair`", 1.1, None, ratio(
        seen.of("A", "dlock", 1, "p50_us"), seen.of("A", "floor-pair", 1, "p50_us")))
    for server, most in (("redis", 1.5), ("valkey", 0.8)):  # which deletes a key by its value
        yield Aim(f"A: the server's time for commands, beside `floor-pair`, {server}", most, None, ratio(
            *(seen.of("A", subject, 1, "command_us_per_acquisition", server=server)
              for subject in ("dlock", "floor-pair"))))


def throughput(seen):
    """A floor that is nearer than the aim is the aim."""
    metric = "pairs_per_s"
    for subject, workers in (("dlock", 1), ("dlock", 8), ("dlock", 64), ("dlock-async", 8),
                             ("dlock-async", 64), ("dlock-async", 1000)):
        slowest = seen.of("B", subject, workers, metric, "min")
        peer = seen.best("B", PEERS, workers, metric)
        floor = seen.best("B", ("floor-pair", "floor-pipeline"), workers, metric)
        what = f"B: `{subject}`, {workers:,} worker{'s' if workers > 1 else ''}: slowest round"
        if peer and floor and floor * 0.95 < peer * 1.2:
            yield Aim(f"{what}, beside the better floor", None, 0.95, ratio(slowest, floor))
        else:
            yield Aim(f"{what}, beside the best peer", None, 1.2, ratio(slowest, peer))
    yield Aim("B: 1,000 asynchronous waits, beside `floor-pipeline`", None, 0.6, ratio(
        seen.of("B", "dlock-async", 1000, metric), seen.of("B", "floor-pipeline", 1000, metric)))


def contended(seen):
    for workers in (8, 32):
        def of(subject, metric, end="median"):
            return seen.of("C", subject, workers, metric, end)
        what = f"C: {workers} processes"
        yield Aim(f"{what}, beside `floor-grant`", None, 0.9, ratio(
            of("dlock", "handoffs_per_s"), of("floor-grant", "handoffs_per_s")))
        yield Aim(f"{what}, slowest round beside the best peer", None, 3, ratio(
            of("dlock", "handoffs_per_s", "min"), seen.best("C", PEERS, workers, "handoffs_per_s")))
        yield Aim(f"{what}: gap p99 beside p50", 3, None, ratio(
            of("dlock", "gap_p99_us"), of("dlock", "gap_p50_us")))
        yield Aim(f"{what}: fairness", None, 0.95, of("dlock", "fairness"))
        yield Aim(f"{what}: commands", 2.1, None, of("dlock", "commands_per_acquisition"))
    yield Aim("D: 32 threads, beside 32 processes", None, 5, ratio(
        seen.of("D", "dlock", 32, "handoffs_per_s"), seen.of("C", "dlock", 32, "handoffs_per_s")))


def languages(seen):
    """The slowest round of the least favourable size, beside the best peer of the same language."""
    for subject, driver in PEERS_OF.items():
        peers = [name for name in PEERS if BY_NAME[name].driver == driver]
        for case, metric, sizes in (("A", "p50_us", (1,)), ("B", "pairs_per_s", (1, 8, 64, 1000)),
                                    ("C", "handoffs_per_s", (2, 8, 32))):
            if case == "A":
                values = [ratio(seen.best("A", peers, 1, metric, min),
                                seen.of("A", subject, 1, metric, "max"))]
            else:
                values = [ratio(seen.of(case, subject, size, metric, "min"),
                                seen.best(case, peers, size, metric)) for size in sizes]
            yield Aim(f"{case}: `{subject}`, slowest round beside the best peer in its language", None,
                      1, min((value for value in values if value), default=None))


def rest(seen):
    leases = 100000
    yield Aim("E: the client's CPU with 100,000 leases, %", 4, None,
              seen.of("E", "dlock", leases, "client_cpu_percent"))
    yield Aim("E: bytes for each lease", 1024, None,
              seen.of("E", "dlock", leases, "client_bytes_per_lease"))
    yield Aim("E: lost leases", 0, None, seen.of("E", "dlock", leases, "lost"))
    yield Aim("F: the server's bytes for each of 1,000 waiters", 300, None,
              seen.of("F", "dlock-clients", 1000, "server_bytes_per_queued"))
    for how in ("killed", "stopped"):
        yield Aim(f"G: after a holder was {how}, ttl", 1.1, None,
                  seen.of("G", "dlock", 2, f"holder_{how}_ttls"))
        yield Aim(f"G: after a granted waiter was {how}, claim times", 1.1, None,
                  seen.of("G", "dlock", 3, f"waiter_{how}_claims"))
    yield Aim("H: wall time, beside `flock`", 2.5, None, ratio(
        seen.of("H", "dlock", 1, "wall_p50_us"), seen.of("H", "flock", 1, "wall_p50_us")))
    yield Aim("H: round trips", 2, None, seen.of("H", "dlock", 1, "round_trips"))


def table_of(rows):
    """(None, head, lines), as other tables."""
    lines = []
    for what, most, least, value in aims_of(rows):
        aim = f"at most {table.number(most)}" if least is None else f"at least {table.number(least)}"
        reached = value <= most if least is None else value >= least
        lines.append([what, aim, table.number(value), "yes" if reached else "**no**"])
    return None, ["", "aim", "this run", "reached"], lines
