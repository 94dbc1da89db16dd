#!/usr/bin/env python3
"""Many client processes against one topology, while a schedule breaks things; then a checker decides.

Called by scripts/faults, and by scripts/test for a short run. A run has three parts: the faults that
must not let two hold at once, in an order that the seed decides; likewise those that may; and
scenarios, which find exactly what is expected, and what would have been accepted without fences.
"""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import time

import checker
import expectations
import faults
import history
import scenarios
import topologies
from world import World

SKIPPED = 77


class Run:
    def __init__(self, topology, name, seconds, seed):
        self._topology = topology
        self._name = name
        self._seconds = seconds
        self._seed = seed
        self._failed = False
        self._directory = tempfile.mkdtemp(prefix="dlock-faults-")

    def all(self, only):
        """Whether all was as expected. `only`: the faults and scenarios to run; empty: all."""
        names = [name for name in expectations.FAULTS[self._name] if not only or name in only]
        unsound = [name for name in names if expectations.MAY_FIND[name] == expectations.FOR_A_WHILE]
        self._random("sound", [name for name in names if name not in unsound])
        self._random("unsound", unsound)
        for scenario in expectations.SCENARIOS[self._name]:
            if not only or scenario in only:
                self._scenario(scenario)
        if self._failed:
            print(f"the histories are in {self._directory}; to repeat: scripts/faults --topology {self._name} "
                  f"--seconds {self._seconds} --seed {self._seed}")
        else:
            shutil.rmtree(self._directory)
        return not self._failed

    def _random(self, part, names):
        if not names:
            return
        allowed = set().union(*(expectations.MAY_FIND[name] for name in names))
        with self._world(part) as world:
            world.start_clients()
            begin = time.monotonic()
            for pause, name, chance in schedule(names, self._seed, begin + self._seconds):
                time.sleep(pause)
                print(f"{time.monotonic() - begin:6.2f} s  {name}", flush=True)
                world.records.say("fault", name=name)
                getattr(faults, name)(world, chance)
            time.sleep(1)  # of an undisturbed run at the end
            self._judge(world, part, lambda found: found <= allowed)

    def _scenario(self, name):
        expected = expectations.MUST_FIND[name]
        with self._world(name) as world:
            getattr(scenarios, name)(world)
            self._judge(world, name, lambda found: found == expected)
        if "stale_unfenced" in expected:
            part = f"{name}, without fences"
            with self._world(part, checks=False) as world:
                getattr(scenarios, name)(world)
                unfenced = expected - {"stale_unfenced"} | {"stale_accepted"}
                self._judge(world, part, lambda found: found == unfenced)

    def _world(self, part, checks=True):
        directory = os.path.join(self._directory, part.replace(", ", "_").replace(" ", "_"))
        os.mkdir(directory)
        return World(self._topology, directory, checks)

    def _judge(self, world, part, is_expected):
        world.finish()
        past = history.read(world.directory)
        found = checker.check(past)
        counts = collections.Counter(violation.kind for violation in found)
        good = is_expected(set(counts)) and not world.problems
        print(f"{part}: {len(past.leases)} leases, {len(past.writes)} writes, found {dict(counts) or 'nothing'}: "
              f"{'as expected' if good else 'NOT EXPECTED'}", flush=True)
        if not good:
            self._failed = True
            for kind in counts:
                found_so = [violation for violation in found if violation.kind == kind]
                for what in found_so[:3]:  # the first of a kind tells the most
                    print(f"  {what}")
            for problem in world.problems:
                print(f"  {problem}")


def schedule(names, seed, end):
    """A pause, a fault, and the chance of it, again and again: each fault once at least. The order
    depends on the seed alone; how far it gets, on the machine."""
    chance = random.Random(seed)
    done = 0
    while done < len(names) or time.monotonic() < end:
        for name in chance.sample(names, len(names)):
            if done >= len(names) and time.monotonic() >= end:
                return
            yield chance.uniform(0.1, 0.6), name, random.Random(chance.random())
            done += 1


def main():
    parser = argparse.ArgumentParser(description="Breaks things under many clients, and checks what came of it.")
    parser.add_argument("--topology", required=True, choices=topologies.ALL)
    parser.add_argument("--seconds", type=float, default=20, help="of each of the two random parts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="faults and scenarios, with commas between")
    options = parser.parse_args()
    print(f"topology {options.topology}, seed {options.seed}", flush=True)
    try:
        topology = topologies.ALL[options.topology]()
    except topologies.Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIPPED
    try:
        run = Run(topology, options.topology, options.seconds, options.seed)
        return 0 if run.all([name for name in options.only.split(",") if name]) else 1
    finally:
        topology.close()


if __name__ == "__main__":
    sys.exit(main())
