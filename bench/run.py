"""Runs the cases: `scripts/bench` prepares everything and calls this. See its --help."""

import argparse
import json
import pathlib
import signal
import sys
import tempfile
import time

import cases
import machine
import peers
import plot
import table
from context import Context
from placement import SERVER_CPU
from results import Results
from server import Server
from subjects import BY_NAME


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, help="where results go; else where it was built")
    parser.add_argument("--cases", default=",".join(cases.ALL))
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    arguments.output = arguments.output or arguments.build
    arguments.cases = [letter.upper() for letter in arguments.cases.split(",") if letter]
    for letter in arguments.cases:
        if letter not in cases.ALL:
            parser.error(f"no case {letter}: {', '.join(cases.ALL)}")
    return arguments


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def find_drivers(arguments, results):
    """Driver -> command. What is missing goes into the results."""
    commands = {"worker": [arguments.build / "bench/dlock_bench_worker"]}
    for name in [] if arguments.no_peers else peers.BUILDS:
        try:
            root = arguments.build / "peers"
            commands[name] = peers.Workshop(name, root, arguments.offline, say).make()
        except peers.Missing as problem:
            say(f"the peers in {name} are missing: {problem}")
            for subject in BY_NAME.values():
                if subject.driver == name:
                    results.missing[subject.name] = str(problem)
    return commands


def main():
    # An end from outside ends the servers and drivers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments = parse_arguments()
    started = time.monotonic()
    results = Results()
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    commands = find_drivers(arguments, results)
    with tempfile.TemporaryDirectory(prefix="dlock-bench-") as directory, \
            Server(SERVER_CPU) as server:
        about = machine.describe(server, commands)
        context = Context(server, results, commands, directory, arguments.build, rounds,
                          arguments.quick)
        try:
            for letter in arguments.cases:
                cases.ALL[letter].run(context)
                context.progress(f"case {letter} is done\n")
                results.write(arguments.output / "results.json")
        finally:
            context.close_fleets()
    about.update(mode="quick" if arguments.quick else "full", rounds=rounds,
                 cases=arguments.cases, missing=results.missing, notes=results.notes,
                 minutes=round((time.monotonic() - started) / 60, 1))
    (arguments.output / "run.json").write_text(json.dumps(about, indent=1) + "\n")
    rows = results.rows()
    for drawn in plot.draw_all(rows, arguments.output):
        say(f"drawn: {drawn}")
    print(table.as_text(rows, about))
    say(f"written: {arguments.output / 'results.json'}")


if __name__ == "__main__":
    main()
