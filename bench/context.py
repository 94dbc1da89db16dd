"""What all cases share: the server, the drivers, the results, how long and how often."""

import collections
import sys
import time

import placement
import samples
from driver import DriverFailed, Fleet
from subjects import BY_NAME, TCP_ONLY, commands_sent

TRIES = 3  # of a round whose threads do not stay where they were put

Measured = collections.namedtuple(
    "Measured",
    "samples begin end acquired errors commands command_us server_cpu_us client_cpu_us")


class Context:
    def __init__(self, server, results, commands, directory, wanted, distance=None):
        """`commands`: how to run the drivers that there are. `wanted`: the arguments of run.py.
        `distance`: how far apart the cores are; none: that does not matter."""
        self.server = server
        self.results = results
        self.directory = directory
        self.build = wanted.build  # where dlock was built
        self.rounds = wanted.rounds
        self.quick = wanted.quick
        self.times_only = wanted.times_only
        self._subjects = wanted.subjects
        self._commands = commands
        self._distance = distance
        self._fleets = {}
        self._number = 0

    def available(self, *names):
        """Those of them that are wanted, installed, and able to connect to this server."""
        return [name for name in names if name in self._subjects
                and BY_NAME[name].driver in self._commands
                and not (self.server.is_unix and name in TCP_ONLY)]

    def command(self, driver):
        return self._commands[driver]

    def in_turns(self, subjects, title, measure):
        """Calls `measure(subject)` once a round for each; another one begins each round. A subject
        that fails is left out from then on, and the results say so."""
        started = time.monotonic()
        failed = set()
        for number in range(self.rounds):
            shift = number % max(1, len(subjects))
            for i, subject in enumerate(subjects[shift:] + subjects[:shift]):
                if subject in failed:
                    continue
                elapsed = time.monotonic() - started
                self.progress(f"{title}: round {number + 1}/{self.rounds}, {i + 1}/{len(subjects)} "
                              f"{subject}, {elapsed:.0f} s")
                try:
                    measure(subject)
                except DriverFailed as error:
                    failed.add(subject)
                    self.results.note(f"{title}: {subject} failed and was left out: "
                                      + " ".join(str(error).split())[:300])
                    self.scrap(subject)

    def attempt(self, title, subject, action):
        """For what is not done in turns: a failure is noted, and the other cases go on."""
        try:
            action()
        except DriverFailed as error:
            self.results.note(f"{title} failed: " + " ".join(str(error).split())[:300])
            self.scrap(subject)

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[Kbench: {text}", end="", file=sys.stderr, flush=True)
        else:
            print(f"bench: {text}", file=sys.stderr, flush=True)

    def fleet(self, subject, size, where=placement.PRIMARY):
        """Processes of the subject's driver, kept until another size is wanted."""
        driver = BY_NAME[subject].driver
        fleet = self._fleets.get(driver)
        if not fleet or len(fleet.drivers) != size:
            if fleet:
                self._fleets.pop(driver).close()
            fleet = Fleet(self._commands[driver], size, self.server, self.directory,
                          placement.worker_cpu(where))
            self._fleets[driver] = fleet
            self._warm_up(fleet, subject)
        fleet.pin(placement.worker_cpu(where))
        return fleet

    def _warm_up(self, fleet, subject):
        """Runtimes that compile while they run get time to do that, under the load to come."""
        if BY_NAME[subject].driver in ("java", "node"):
            for other in self.available(*BY_NAME):
                if BY_NAME[other].driver == BY_NAME[subject].driver:
                    fleet.start(other, "one", self.fresh_name(), 1)
                    fleet.go(0.5 if self.quick else 2)
                    fleet.done(120)

    def scrap(self, subject):
        fleet = self._fleets.pop(BY_NAME[subject].driver, None)
        if fleet:
            fleet.close()

    def close_fleets(self):
        for fleet in self._fleets.values():
            fleet.close()
        self._fleets = {}

    def fresh_name(self):
        """A lock that was never used, on an empty server."""
        self.server.command("FLUSHALL")
        self._number += 1
        return f"bench-{self._number}"

    def measure(self, subject, mode, processes, workers, seconds, where=placement.PRIMARY):
        """One run: `workers` in each of `processes`. Repeated if a thread ran on another core, or the
        cores moved apart."""
        distance = self._distance if where == placement.SPLIT else None
        for _ in range(TRIES):
            self.server.pin()
            fleet = self.fleet(subject, processes, where)
            were_near = distance is None or distance.await_near()
            watches = {"server": placement.Watch([self.server.pid]),
                       "workers": placement.Watch(driver.pid for driver in fleet.drivers)}
            result = self._measure(fleet, subject, mode, workers, seconds)
            cores = {whose: watch.cores() for whose, watch in watches.items()}
            if cores != {"server": {placement.SERVER_CPU}, "workers": {placement.worker_cpu(where)}}:
                self.results.strayed += 1
                problem = "threads ran on other cores"
            elif distance is not None and were_near and not distance.is_near():
                self.results.parted += 1
                problem = "the cores moved apart"
            else:
                break
        else:
            self.results.note(f"{subject}: {problem} in the last of {TRIES} runs of "
                              f"{processes} x {workers} workers, which counts")
        self.results.far += not were_near
        self.results.saw(where, cores)
        return result

    def _measure(self, fleet, subject, mode, workers, seconds):
        name = self.fresh_name()
        if subject == "floor-blpop":
            self.server.command("RPUSH", name, "token")
        fleet.start(subject, mode, name, workers)
        calls, server_cpu, client_cpu = (self.server.calls(), self.server.cpu_seconds(),
                                         fleet.cpu_ns())
        with self.results.neighbours.watched(
                lambda: self.server.cpu_ns() + fleet.cpu_ns() + time.process_time_ns()):
            begin, end = fleet.go(seconds)
            acquired, errors = fleet.done(seconds + 120)
        result = Measured(
            samples.read(fleet.drivers), begin, end, acquired, errors,
            *commands_sent(subject, calls, self.server.calls()),
            (self.server.cpu_seconds() - server_cpu) * 1e6, (fleet.cpu_ns() - client_cpu) / 1e3)
        if errors:
            self.results.note(f"{subject}: {errors} calls failed in a run of {len(fleet.drivers)} x "
                              f"{workers} workers, {acquired} succeeded")
        if not acquired:
            raise DriverFailed("no acquisition at all\n" + fleet.drivers[0].stderr())
        return result
