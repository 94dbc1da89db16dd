"""Runs the cases: `scripts/bench` prepares everything and calls this. See its --help."""

import argparse
import fnmatch
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

import aims
import cases
import machine
import peers
import placement
import plot
import table
from awake import Awake
from context import Context
from distance import Distance, between_cores
from results import Results
from server import NAMES, NoServer, Server
from subjects import BY_NAME


def parse_arguments():
    def words(text):
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, help="where results go; else where it was built")
    parser.add_argument("--cases", type=words, default=list(cases.ALL))
    parser.add_argument("--servers", type=words, default=list(NAMES[:3]))
    parser.add_argument("--subjects", type=words, default=["*"], help="patterns of a shell")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--times-only", action="store_true", help="count nothing by callgrind and strace")
    parser.add_argument("--offline", action="store_true")
    arguments = parser.parse_args()
    arguments.output = arguments.output or arguments.build
    arguments.cases = [letter.upper() for letter in arguments.cases]
    for what, known in ((arguments.cases, cases.ALL), (arguments.servers, NAMES)):
        for word in what:
            if word not in known:
                parser.error(f"no such thing: {word}; there are {', '.join(known)}")
    arguments.subjects = [name for name in BY_NAME
                          if any(fnmatch.fnmatch(name, pattern) for pattern in arguments.subjects)]
    if not arguments.subjects:
        parser.error(f"no such subject; there are {', '.join(BY_NAME)}")
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    return arguments


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def find_drivers(arguments, results):
    """Driver -> command, of the wanted subjects. What is missing goes into the results."""
    os.environ["DLOCK_LIBRARY"] = str(arguments.build / "libdlock.so.1")  # for dlock in Node.js
    commands = {"worker": [arguments.build / "bench/dlock_bench_worker"]}
    for driver in peers.BUILDS:
        wanted = [name for name in arguments.subjects if BY_NAME[name].driver == driver]
        if not wanted:
            continue
        try:
            root = arguments.build / "peers"
            commands[driver] = peers.Workshop(driver, root, arguments.offline, say).make()
        except peers.Missing as problem:
            say(f"{', '.join(wanted)}: missing: {problem}")
            results.missing.update(dict.fromkeys(wanted, str(problem)))
    return commands


def run_on(name, letters, arguments, commands, results, distance):
    """Runs the cases on one server; returns what that is."""
    results.server = name
    with tempfile.TemporaryDirectory(prefix="dlock-bench-") as directory, \
            Server(name, placement.SERVER_CPU) as server:
        context = Context(server, results, commands, directory, arguments, distance)
        try:
            for letter in letters:
                cases.ALL[letter].run(context)
                context.progress(f"case {letter} on {name} is done\n")
                results.write(arguments.output / "results.json")
        finally:
            context.close_fleets()
        return f"{server.version()} {'by a unix socket' if server.is_unix else 'by TCP'}"


def main():
    # An end from outside ends the servers and drivers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parse_arguments()
    started = time.monotonic()
    results = Results()
    with Awake() as awake:
        about = measure(arguments, results)
    about.update(mode="quick" if arguments.quick else "full", rounds=arguments.rounds,
                 cases=arguments.cases, missing=results.missing, notes=results.notes,
                 placement="; ".join((results.placement(), about.pop("distance"), awake.in_words())),
                 others_percent=results.neighbours.percent(),
                 minutes=round((time.monotonic() - started) / 60, 1))
    (arguments.output / "run.json").write_text(json.dumps(about, indent=1) + "\n")
    rows = results.rows()
    for drawn in plot.draw_all(rows, arguments.output):
        say(f"drawn: {drawn}")
    print(table.as_text(rows, about))
    print("\n" + table.aligned("Aims", *aims.table_of(rows)[1:]))
    say(f"written: {arguments.output / 'results.json'}")


def measure(arguments, results):
    """All cases on all servers; returns what they were run on."""
    commands = find_drivers(arguments, results)
    about = {**machine.describe(commands), "servers": {}}
    letters = arguments.cases
    distance = None
    if placement.PRIMARY == placement.SPLIT:
        distance = Distance(lambda: between_cores(commands["worker"][0]))
    for name in arguments.servers:
        try:
            if letters:
                about["servers"][name] = run_on(name, letters, arguments, commands, results,
                                                distance)
                letters = [letter for letter in letters if letter in cases.COMPARED]
        except NoServer as problem:
            say(str(problem))
            results.missing[name] = str(problem)
    about["distance"] = distance.in_words() if distance else "there was one core only"
    if not about["servers"]:
        sys.exit("bench: no server is installed")
    return about


if __name__ == "__main__":
    main()
