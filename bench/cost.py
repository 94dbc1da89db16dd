"""What a pair of acquire and release costs a client, counted and not timed: instructions by
callgrind, system calls by strace. Only for the worker, whose start-up can be subtracted."""

import os
import pathlib
import re
import shutil
import subprocess

SHORT, LONG = 200, 1200


def instructions_per_pair(context, subject):
    """None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    out = f"{context.directory}/callgrind"

    def count(pairs):
        said = run(context, subject, pairs,
                   ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
        return int(re.search(r"Collected : (\d+)", said).group(1))
    return (count(LONG) - count(SHORT)) / (LONG - SHORT)


def system_calls_per_pair(context, subject):
    """None without strace."""
    if not shutil.which("strace"):
        return None
    out = pathlib.Path(context.directory, "strace")

    def count(pairs):
        run(context, subject, pairs, ["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", out])
        return int(re.search(r"^\s*(\d+)\s+total$", out.read_text(), re.MULTILINE).group(1))
    return (count(LONG) - count(SHORT)) / (LONG - SHORT)


def run(context, subject, pairs, tool):
    """Runs the worker under a tool; returns what was said on stderr."""
    samples = f"{context.directory}/profiled"
    said = f"start {subject} own {context.fresh_name()} 1 {pairs} 0 30000 {samples}\ngo 0 {2**62}\n"
    # A look for the reply before each sleep would be as long as the tool makes it.
    environment = {**os.environ, "BENCH_BUSY_POLL_US": "0"}
    done = subprocess.run([*tool, *map(str, context.command("worker")), context.server.url],
                          env=environment, input=said, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=True)
    return done.stderr
