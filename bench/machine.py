"""What the figures were measured on: the machine and the versions of everything."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent.parent


def describe(commands):
    return {"date": datetime.date.today().isoformat(), "processor": processor(),
            "cores": len(os.sched_getaffinity(0)), "memory_gib": memory_gib(),
            "kernel": platform.release(), "system": system(), "dlock": version_of_dlock(),
            "drivers": sorted(commands),
            "versions": versions_of_peers()}


def processor():
    found = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else platform.machine()


def memory_gib():
    kib = re.search(r"^MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M).group(1)
    return round(int(kib) / 1024 / 1024)


def system():
    path = pathlib.Path("/etc/os-release")
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', path.read_text(), re.M) if path.exists() else None
    return found.group(1) if found else platform.system()


def version_of_dlock():
    git = ["git", "-C", str(SOURCE), "describe", "--always", "--dirty"]
    done = subprocess.run(git, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout.strip() or "unknown"


def versions_of_peers():
    """As pinned beside the drivers."""
    peers = SOURCE / "bench/peers"
    patterns = {
        "python/requirements.txt": r"^([\w-]+)==(\S+)",
        "node/package.json": r'"(redlock|redis-semaphore|ioredis)": "([\d.]+)"',
        "go/go.mod": r"(?:go-redsync/(redsync)/v4|bsm/(redislock)|redis/(rueidis)) v(\S+)",
        "java/pom.xml": r"<artifactId>(redisson)</artifactId>\s*<version>([\d.]+)",
    }
    return {next(filter(None, found.groups()[:-1])): found.groups()[-1]
            for file, pattern in patterns.items()
            for found in re.finditer(pattern, (peers / file).read_text(), re.M)}
