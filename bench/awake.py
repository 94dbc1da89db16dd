"""Keeps our cores awake. One that sleeps has to be woken for each message: on a virtual machine that is
up to its host, which made a round trip of 30 us on one day and of 49 us on another. It also favours
subjects that spin rather than sleep."""

import os
import subprocess
import sys

from driver import cpu_ns_of, die_with_parent
from placement import ALLOWED

LOOP = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
print(flush=True)
while True: pass
"""


class Awake:
    """While it is entered, a loop on each core runs when nobody else wants to."""

    def __enter__(self):
        self.loops = [subprocess.Popen([sys.executable, "-c", LOOP, str(core)], stdout=subprocess.PIPE,
                                        preexec_fn=die_with_parent)
                       for core in ALLOWED]
        for loop in self.loops:
            loop.stdout.readline()
        return self

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
            loop.communicate()

    def cpu_ns(self):
        return sum(cpu_ns_of(loop.pid) for loop in self.loops)
