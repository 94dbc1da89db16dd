"""Driver of what locks in Python: threads.py and tasks.py have the subjects. Protocol:
bench/driver.py."""

import array
import os
import sys
import time

import tasks
import threads


class Run:
    """What a line `start` asks for, and the samples that answer it."""

    def __init__(self, subject, mode, name, workers, count, hold_ms, ttl_ms, file):
        self.subject = subject
        self.own = mode == "own"
        self.name = name
        self.workers = range(int(workers))
        self.count = int(count)
        self.hold = int(hold_ms) / 1000
        self.ttl = int(ttl_ms) / 1000
        self.file = file
        self.errors = 0
        self.samples = [array.array("q") for _ in self.workers]

    def name_of(self, worker):
        return f"{self.name}:{os.getpid()}:{worker}" if self.own else self.name

    @staticmethod
    def warm_name(worker):
        return f"warm:{os.getpid()}:{worker}"

    def goes_on(self, done, end):
        return (not self.count or done < self.count) and time.monotonic_ns() < end

    def fail(self, error):
        self.errors += 1
        print(repr(error), file=sys.stderr)

    def write(self):
        """Returns how many acquisitions there were."""
        with open(self.file, "wb") as file:
            for samples in self.samples:
                samples.tofile(file)
        return sum(map(len, self.samples)) // 5


def main(url):
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "start":
            run = Run(*words[1:])
            kind = tasks.Tasks if run.subject in tasks.SUBJECTS else threads.Threads
            workers = kind(url, run)
            print("armed", flush=True)
        elif words[0] == "go":
            workers.go(int(words[1]), int(words[2]))
            print("done", run.write(), run.errors, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
