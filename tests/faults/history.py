"""What happened in a run: the records of all processes, put together to leases, waits and writes.

Each process appends JSON objects, one a line, to a file of its own. All have `e`, what happened,
and `at`, when: microseconds of CLOCK_BOOTTIME, which is one clock for the whole machine.

e         who       also has
start     client    pid
ask       client    id (of the lease to be), lock
acquired  client    id, lock, fence, weight of capacity, asked, until (when it ends, as its holder knows)
valid     client    id, until
lost      client    id: the library said so
releasing client    id
failed    client    id, why: the wait or the release ended with an error
returned  runner    id, status: the command ended
stall     client    since: nothing of the process ran from then to `at`
end       client    it came to its end by itself
write     resource  id, lock, fence, accepted
killed    driver    pid
fault     driver    name, and what it did
left      driver    key, why: found on the server when all was over
"""

import dataclasses
import json
import pathlib

CLIENT, RESOURCE, DRIVER = "client", "resource", "driver"


@dataclasses.dataclass
class Lease:
    """`until` is the end that its holder knew of last; `ended` when it released, or was told of the
    loss. A lease of a command claims nothing beyond the last moment it was seen alive."""

    id: str
    lock: str
    fence: int
    asked: int
    since: int
    until: int
    seen: int
    process: "Process"
    weight: int = 1
    capacity: int = 1  # of the lock
    lost: int = None
    releasing: int = None

    @property
    def ended(self):
        return min((at for at in (self.lost, self.releasing) if at is not None), default=None)

    @property
    def over(self):
        """When the holder no longer took itself for the holder."""
        return self.until if self.ended is None else min(self.until, self.ended)

    @property
    def came_late(self):
        """Whether it was over when its holder got it, as when the process was stopped in between: it
        never held by that."""
        return self.until <= self.since

    def __str__(self):
        return f"{self.id} (fence {self.fence}, {self.since} to {self.over})"


@dataclasses.dataclass
class Write:
    at: int
    id: str
    lock: str
    fence: int
    accepted: bool


@dataclasses.dataclass
class Process:
    name: str
    pid: int = None
    is_command: bool = False
    ended: bool = False
    killed: bool = False
    waits: dict = dataclasses.field(default_factory=dict)  # id -> the record of the ask
    failed_waits: list = dataclasses.field(default_factory=list)  # their records
    stalls: list = dataclasses.field(default_factory=list)
    last: dict = None

    def stalled(self, since, until):
        """For how long of this span nothing of it ran."""
        return sum(max(0, min(b, until) - max(a, since)) for a, b in self.stalls)


class History:
    def __init__(self):
        self.leases = {}
        self.writes = []
        self.processes = []
        self.left = []
        self.faults = []

    def leases_by_lock(self):
        found = {}
        for lease in sorted(self.leases.values(), key=lambda lease: lease.since):
            if not lease.came_late:
                found.setdefault(lease.lock, []).append(lease)
        return found

    def writes_by_lock(self):
        found = {}
        for write in self.writes:
            found.setdefault(write.lock, []).append(write)
        return found

    def add(self, name, records):
        """The records of one process, in its order."""
        process = Process(name)
        for record in records:
            process.last = record
            getattr(self, "_" + record["e"])(process, record)
        if process.pid is not None:
            self.processes.append(process)

    def _start(self, process, record):
        process.pid = record["pid"]
        process.is_command = record.get("command", False)

    def _ask(self, process, record):
        process.waits[record["id"]] = record

    def _acquired(self, process, record):
        process.waits.pop(record["id"], None)
        self.leases[record["id"]] = Lease(
            record["id"], record["lock"], record["fence"], record["asked"], record["at"],
            record["until"], record["at"], process, record["weight"], record["capacity"])

    def _valid(self, process, record):
        lease = self.leases[record["id"]]
        if lease.lost is None:
            lease.until, lease.seen = record["until"], record["at"]

    def _lost(self, process, record):
        self.leases[record["id"]].lost = record["at"]

    def _releasing(self, process, record):
        self.leases[record["id"]].releasing = record["at"]

    def _failed(self, process, record):
        if process.waits.pop(record["id"], None):
            process.failed_waits.append(record)

    def _returned(self, process, record):
        process.waits.pop(record["id"], None)

    def _stall(self, process, record):
        process.stalls.append((record["since"], record["at"]))

    def _end(self, process, record):
        process.ended = True

    def _write(self, process, record):
        self.writes.append(Write(*(record[name] for name in ("at", "id", "lock", "fence", "accepted"))))

    def _fault(self, process, record):
        self.faults.append(record)

    def _left(self, process, record):
        self.left.append(record)

    def _killed(self, process, record):
        for other in self.processes:
            other.killed = other.killed or other.pid == record["pid"]


def read(directory):
    """The history in the *.jsonl files of a directory. The driver's comes last: it knows of all."""
    history = History()
    for path in sorted(pathlib.Path(directory).glob("*.jsonl"), key=lambda path: (path.stem == DRIVER, path)):
        history.add(path.stem, records_of(path.read_text()))
    return history


def records_of(text):
    """One a line; the last may be cut off, as its process was killed."""
    lines = text.split("\n")
    return [json.loads(line) for line in lines[:-1]]
