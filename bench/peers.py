"""The drivers beside the worker: dlock in other languages, and its peers. Each is built in
build/bench/peers by the package client of its language."""

import collections
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench/peers"

# What it is made of, in ROOT; what makes it; the command that runs it; and what it takes from the
# build of dlock.
Build = collections.namedtuple("Build", "sources make command takes", defaults=((),))


class Missing(Exception):
    """A driver that cannot be had on this machine, and why."""


class Workshop:
    """Builds a driver in a directory of its own, only when its files changed since the last time."""

    def __init__(self, name, root, offline, say):
        self.name = name
        self.build = root.parent  # of dlock
        self.directory = root / name
        self.cache = root / "cache"
        self.offline = offline
        self._say = say
        self._log = root / f"{name}.log"

    def make(self):
        """Returns the command that runs the driver."""
        sources, make, command, takes = BUILDS[self.name]
        digest = digest_of([*(ROOT / name for name in sources), *(self.build / name for name in takes)])
        stamp = self.directory / "built-from"
        if not stamp.is_file() or stamp.read_text() != digest:
            if self.offline:
                raise Missing("not installed yet, and this run is offline")
            self._say(f"installing {self.name}")
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._log.write_bytes(b"")
            make(self)
            stamp.write_text(digest)
        return command(self)

    def need(self, program):
        found = shutil.which(program)
        if not found:
            raise Missing(f"{program} is not installed")
        return found

    def run(self, *command, cwd=None, **environment):
        with open(self._log, "ab") as log:
            done = subprocess.run([str(word) for word in command], cwd=cwd or self.directory,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env={**os.environ, **{k: str(v) for k, v in environment.items()}})
        if done.returncode:
            tail = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Missing(f"{command[0]} failed: {''.join(tail)}; see {self._log.name}")


def digest_of(paths):
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(p for p in [path, *path.rglob("*")] if p.is_file() and p.suffix != ".pyc"):
            digest.update(str(file.relative_to(path)).encode() + file.read_bytes())
    return digest.hexdigest()


def make_venv(shop):
    """Of the system's Python, whose headers Debian packages: the same one for dlock and its peers."""
    system = pathlib.Path("/usr/bin/python3")
    shop.run(system if system.exists() else sys.executable, "-m", "venv", shop.directory / "venv")


def install_into_venv(shop, *what):
    shop.run(shop.directory / "venv/bin/pip", "install", "--disable-pip-version-check", "-q", *what)


def make_python(shop):
    make_venv(shop)
    install_into_venv(shop, "-r", PEERS / "python/requirements.txt")


def make_dlock_python(shop):
    """On the static library that was just built, which is what pip would compile once more."""
    make_venv(shop)
    prefix = shop.directory / "dlock"
    shop.run("cmake", "--install", shop.build, "--prefix", prefix)
    config = next(prefix.rglob("dlockConfig.cmake")).parent
    settings = {"build-dir": shop.cache / "dlock-python", "cmake.define.dlock_DIR": config}
    install_into_venv(shop, *(f"--config-settings={key}={value}" for key, value in settings.items()),
                      ROOT / "python")


def python_command(shop):
    return [shop.directory / "venv/bin/python", PEERS / "python/driver.py"]


def make_node(shop):
    shop.need("node")
    for name in ("package.json", "package-lock.json", "driver.js"):
        shutil.copy(PEERS / "node" / name, shop.directory)
    shop.run(shop.need("npm"), "ci", "--no-audit", "--no-fund")


def make_dlock_node(shop):
    """The package loads $DLOCK_LIBRARY, which run.py sets."""
    shop.need("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "node" / name, shop.directory)
    shop.run(shop.need("npm"), "ci", "--omit=dev", "--no-audit", "--no-fund")
    (shop.directory / "package.json").unlink()  # else `dlock` would be this directory
    shutil.copytree(ROOT / "node", shop.directory / "node_modules/dlock")
    shutil.copy(PEERS / "node/driver.js", shop.directory)


def node_command(shop):
    return ["node", shop.directory / "driver.js"]


def make_go(shop):
    shop.run(shop.need("go"), "build", "-o", shop.directory / "driver", ".", cwd=PEERS / "go",
             GOMODCACHE=shop.cache / "go", GOFLAGS="-modcacherw -mod=readonly")


def make_java(shop):
    shop.need("java")
    shop.run(shop.need("mvn"), "-q", "-B", f"-Doutput={shop.directory}",
             f"-Dmaven.repo.local={shop.cache / 'maven'}", "compile", cwd=PEERS / "java")


def java_command(shop):
    # Small enough that 32 of them fit into a usual machine's memory.
    return ["java", "-Xmx96m", "-Xss512k", "-XX:+UseSerialGC", "-Xshare:auto", "-cp",
            f"{shop.directory}/classes:{shop.directory}/dependency/*", "Driver"]


BUILDS = {
    "dlock-python": Build(("python", "bench/peers/python"), make_dlock_python, python_command,
                          takes=("libdlock.a",)),
    "dlock-node": Build(("node", "bench/peers/node"), make_dlock_node, node_command),
    "python": Build(("bench/peers/python",), make_python, python_command),
    "node": Build(("bench/peers/node",), make_node, node_command),
    "go": Build(("bench/peers/go",), make_go, lambda shop: [shop.directory / "driver"]),
    "java": Build(("bench/peers/java",), make_java, java_command),
}
