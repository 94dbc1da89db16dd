"""The peers' drivers: each built in build/bench/peers by its own language's package client."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent / "peers"


class Missing(Exception):
    """A driver that cannot be had on this machine, and why."""


class Workshop:
    """Builds a driver in a directory of its own, only when its files changed since the last time."""

    def __init__(self, name, root, offline, say):
        self.name = name
        self.source = SOURCE / name
        self.directory = root / name
        self.cache = root / "cache"
        self.offline = offline
        self._say = say
        self._log = root / f"{name}.log"

    def make(self):
        """Returns the command that runs the driver."""
        digest = hashlib.sha256()
        for path in sorted(p for p in self.source.rglob("*") if p.is_file()):
            digest.update(str(path.relative_to(self.source)).encode() + path.read_bytes())
        stamp = self.directory / "built-from"
        steps, command = BUILDS[self.name]
        if not stamp.is_file() or stamp.read_text() != digest.hexdigest():
            if self.offline:
                raise Missing("not installed yet, and this run is offline")
            self._say(f"installing the peers in {self.name}")
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._log.write_bytes(b"")
            steps(self)
            stamp.write_text(digest.hexdigest())
        return command(self)

    def need(self, program):
        found = shutil.which(program)
        if not found:
            raise Missing(f"{program} is not installed")
        return found

    def run(self, *command, cwd=None, **environment):
        with open(self._log, "ab") as log:
            done = subprocess.run([str(word) for word in command], cwd=cwd or self.source,
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env={**os.environ, **{k: str(v) for k, v in environment.items()}})
        if done.returncode:
            tail = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Missing(f"{command[0]} failed: {''.join(tail)}; see {self._log.name}")


def build_python(shop):
    shop.run(sys.executable, "-m", "venv", shop.directory / "venv")
    shop.run(shop.directory / "venv/bin/pip", "install", "--disable-pip-version-check", "-q",
             "-r", "requirements.txt")


def build_node(shop):
    shop.need("node")
    for name in ("package.json", "package-lock.json", "driver.js"):
        shutil.copy(shop.source / name, shop.directory)
    shop.run(shop.need("npm"), "ci", "--no-audit", "--no-fund", cwd=shop.directory)


def build_go(shop):
    shop.run(shop.need("go"), "build", "-o", shop.directory / "driver", ".",
             GOMODCACHE=shop.cache / "go", GOFLAGS="-modcacherw -mod=readonly")


def build_java(shop):
    shop.need("java")
    shop.run(shop.need("mvn"), "-q", "-B", f"-Doutput={shop.directory}",
             f"-Dmaven.repo.local={shop.cache / 'maven'}", "compile")


def java_command(shop):
    # Small enough that 32 of them fit into a usual machine's memory.
    return ["java", "-Xmx96m", "-Xss512k", "-XX:+UseSerialGC", "-Xshare:auto", "-cp",
            f"{shop.directory}/classes:{shop.directory}/dependency/*", "Driver"]


BUILDS = {
    "python": (build_python, lambda shop: [shop.directory / "venv/bin/python",
                                           shop.source / "driver.py"]),
    "node": (build_node, lambda shop: ["node", shop.directory / "driver.js"]),
    "go": (build_go, lambda shop: [shop.directory / "driver"]),
    "java": (build_java, java_command),
}
