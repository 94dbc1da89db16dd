"""The clients of one part of a run, its resource and its records."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from eventually import eventually  # noqa: E402
from guarded import Resource  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
WORKER = os.path.join(os.environ["DLOCK_BUILD_DIR"], "tests", "dlock_fault_worker")
FENCE_KEY = re.compile(r"dlock1:fence(:\{\d+\})?")  # on a cluster one for each slot
LOCKS = ["red", "green", "blue"]  # mutexes
PATIENCE = 40.0  # seconds for what should come soon when nothing is broken any more
# Of `dlock run`: it ran, the server could not be reached, the lock was lost, it or its command was killed.
STATUSES = {0, 69, 73, 137, -signal.SIGKILL}


class Way:
    """A way to hold a lock by `dlock run`: with `weight` of `capacity`."""

    def __init__(self, lock, *options, weight=1, capacity=1):
        self.lock = lock
        self.options = options
        self.environment = {"FAULTS_WEIGHT": str(weight), "FAULTS_CAPACITY": str(capacity)}


# As the worker knows the lock, and by the command; the first takes all of it.
MUTEXES = {lock: [Way(lock)] for lock in LOCKS}
READERS_AND_WRITERS = {"book:shared": [Way("book", "--exclusive", weight=1000, capacity=1000),
                                       Way("book", "--shared", weight=1, capacity=1000)]}
PERMITS = {"seats:3": [Way("seats", "--permits", "3", "--weight", str(weight), weight=weight, capacity=3)
                       for weight in (3, 1, 2)]}


def boot_us():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Records:
    def __init__(self, directory, name):
        self._file = open(os.path.join(directory, name + ".jsonl"), "a")
        self._lock = threading.Lock()

    def say(self, e, **more):
        with self._lock:
            self._file.write(json.dumps({"e": e, "at": boot_us(), **more}) + "\n")
            self._file.flush()

    def close(self):
        self._file.close()


class World:
    """A context manager. `checks`: whether the resource checks fences."""

    ttl = 2.0  # seconds, of the leases

    def __init__(self, topology, directory, checks=True):
        self.topology = topology
        self.directory = directory
        self.checks = checks
        self.records = Records(directory, "driver")
        self.resource = Resource(directory, checks)
        self.problems = []
        self._workers = []
        self._runners = []
        self._puppets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self._workers + [puppet.process for puppet in self._puppets]:
            process.kill()
            process.wait()
        for puppet in self._puppets:
            puppet.process.stdin.close()
            puppet.process.stdout.close()
        self.resource.close()
        self.records.close()

    def puppet(self, ttl=3.0):
        self._puppets.append(Puppet(self, ttl))
        return self._puppets[-1]

    def start_clients(self):
        """For each URL two workers of two threads, and one that calls the command again and again."""
        for place in range(len(self.topology.urls)):
            for _ in range(2):
                self._start_worker(place)
            self._runners.append(Runner(self, place))

    def clients(self):
        """The pids of those that can be stopped or killed."""
        return ([process.pid for process in self._workers] +
                [runner.process.pid for runner in self._runners if runner.process])

    def kill(self, pid):
        """kill -9; another takes the place of a worker."""
        self.records.say("killed", pid=pid)
        os.kill(pid, signal.SIGKILL)
        for process in self._workers:
            if process.pid == pid:
                process.wait()
                self._workers.remove(process)
                self._start_worker(process.place)
                return

    def finish(self):
        """Asks all clients to come to their end; those that do not are found by the checker."""
        for process in self._workers:
            process.terminate()
        for puppet in self._puppets:
            puppet.process.stdin.close()
        for runner in self._runners:
            runner.end()
        processes = self._workers + [puppet.process for puppet in self._puppets]
        eventually(lambda: all(process.poll() is not None for process in processes), PATIENCE)
        for runner in self._runners:
            runner.join(PATIENCE)
        self._count_commands_as_killed()
        self._look_for_leftovers()

    def client_command(self, place, *words):
        return [*self.topology.prefixes[place], *words]

    def _start_worker(self, place):
        words = self.client_command(place, WORKER, "loop", self.topology.urls[place], self.directory,
                                    str(int(self.ttl * 1000)), "2", *self.topology.locks)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        process.place = place
        self._workers.append(process)

    def _count_commands_as_killed(self):
        """Those that are gone: dlock ends what it started. One that is not is stuck."""
        for path in pathlib.Path(self.directory).glob("command-*.jsonl"):
            pid = int(path.stem.split("-")[1])
            if not os.path.exists(f"/proc/{pid}"):
                self.records.say("killed", pid=pid)

    def _look_for_leftovers(self):
        """Each lock can be had, and after that nothing is left that stays or that is waited in."""
        for all_of_it, *_ in self.topology.locks.values():
            if not eventually(lambda way=all_of_it: self._can_be_had(way), PATIENCE):
                self.problems.append(f"the lock {all_of_it.lock} cannot be had")
        eventually(lambda: not list(self._leftovers()), PATIENCE)
        for key, why in self._leftovers():
            self.records.say("left", key=key, why=why)

    def _can_be_had(self, way):
        words = self.client_command(0, DLOCK, "run", "--url", self.topology.urls[0], "--wait",
                                    str(int(PATIENCE)), *way.options, way.lock, "--", "true")
        return subprocess.run(words, check=False).returncode == 0

    def _leftovers(self):
        locks = {way.lock for ways in self.topology.locks.values() for way in ways}
        for node in self.topology.nodes():
            for key in node.keys():
                name = key.decode(errors="replace")
                if name in locks or name.startswith("dlock1:q"):
                    yield name, "still there"
                elif not FENCE_KEY.fullmatch(name) and node.pttl(key) == -1:
                    yield name, "no expiry"


class Runner(threading.Thread):
    """Calls `dlock run` again and again, with a worker as the command."""

    def __init__(self, world, place):
        super().__init__(daemon=True)
        self._world = world
        self._place = place
        self._ending = False
        self.process = None
        self.start()

    def end(self):
        self._ending = True

    def run(self):
        records = Records(self._world.directory, f"runner-{self._place}")
        records.say("start", pid=-1 - self._place)
        count = 0
        ways = [way for ways in self._world.topology.locks.values() for way in ways]
        while not self._ending:
            count += 1
            way = ways[count % len(ways)]
            wait = f"run-{self._place}.{count}"
            records.say("ask", id=wait, lock=way.lock)
            environment = {**os.environ, **way.environment, "FAULTS_ASKED": str(boot_us())}
            words = self._world.client_command(
                self._place, DLOCK, "run", "--url", self._world.topology.urls[self._place],
                "--ttl", f"{int(self._world.ttl * 1000)}ms", *way.options, way.lock, "--", WORKER, "command", self._world.directory)
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                            env=environment)
            _, message = self.process.communicate()
            status = self.process.returncode
            records.say("returned", id=wait, status=status)
            if status not in STATUSES:
                self._world.problems.append(f"dlock run ended with {status}: {message.decode()}")
        records.say("end")
        records.close()


class Puppet:
    """A worker that does what it is told, step by step."""

    def __init__(self, world, ttl):
        self._world = world
        self.process = subprocess.Popen(
            world.client_command(0, WORKER, "puppet", world.topology.urls[0], world.directory,
                                 str(int(ttl * 1000)), LOCKS[0]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def acquire(self):
        """On a starved machine the first connect of a client may take too long: it asks again."""
        if not eventually(lambda: int(self._tell("acquire")), PATIENCE):
            raise RuntimeError("a puppet could not acquire")

    def write(self, accepted):
        """`accepted`: what a resource that checks fences has to say."""
        answer = self._tell("write")
        if (answer == "y") != (accepted or not self._world.checks):
            self._world.problems.append(f"a write was answered {answer}")

    def release(self):
        self._tell("release")

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def _tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()
