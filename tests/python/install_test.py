"""Installs the Python package under the build directory, where the other tests find it."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest
import zipfile

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
WORK = BUILD / "python"
SITE = pathlib.Path(os.environ["PYTHONPATH"])

# Code that a user may write, for mypy.
USER = """
import asyncio
from collections.abc import AsyncIterator, Iterator

from distributed_lock import AsyncDistributedLock, Client, DistributedLock, Event, Lease, Mutex
from distributed_lock import Semaphore, Stats
from distributed_lock import ConditionVariable, Election, Latch, LeaderChange, SharedMutex
from distributed_lock import UpgradeableLease, acquire_all, run_once
from redis import Redis, RedisCluster

client = Redis()


@DistributedLock(client, lock_name="register_user", lock_ttl=30)
def register(name: str) -> int:
    return len(name)


def work(lock: DistributedLock) -> None:
    number: int = register("ann")
    got: bool = lock.acquire(blocking=True, timeout=2.5)
    if got:
        fence: int = lock.fence
        lock.lost.add_callback(lambda: print("lost", fence, number))
        lock.release()
    with Mutex("redis://localhost", "a").acquire(timeout=1) as lease:
        left: float = lease.valid_for
        print(left)
    with SharedMutex(client, "b").read.acquire():
        pass
    cluster = RedisCluster("localhost")
    two: Lease | None = Semaphore(cluster, "c", permits=4).try_acquire(weight=2)
    print(two)


@Mutex(client, name="a-{name}")
async def later(name: str) -> int:
    return len(name)


@AsyncDistributedLock(client, name=lambda count: str(count))
async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@Semaphore(client, "c", permits=4)(weight=2)
def letters(name: str) -> Iterator[str]:
    yield from name


def family(document: SharedMutex) -> None:
    with document.acquire_upgradeable() as upgradeable:
        same: UpgradeableLease = upgradeable
        same.upgrade(timeout=1)
    both = acquire_all(client, ["a", "b"])
    fence: int = both.fences["a"]
    ran: bool = run_once(client, "nightly", lambda: fence, at_least=5)
    with Election(client, "web").campaign("host") as leadership:
        leadership.proclaim("other")
    changes: list[LeaderChange] = list(Election(client, "web").observe())
    opened: bool = Latch(client, "d", 2).wait(1)
    with ConditionVariable(client, "e") as condition:
        job: str = condition.wait_for(lambda: "job")
    print(ran, changes, opened, job)


def watch(event: Event) -> None:
    fence: int = event.fence
    watched = Client(client, group=lambda name: name[:1], on_event=watch, slow_wait=10)
    stats: Stats = watched.stats()
    p99: float = stats.groups["a"].wait.quantile(0.99)
    print(fence, p99, stats.losses[event.reason or "expired"], DistributedLock(watched, "a"))


async def main() -> None:
    number: int = await later("ann")
    print(number, [one + 1 async for one in numbers(2)], list(letters("ann")))
    held: bool = await asyncio.wait_for(AsyncDistributedLock(client, "f").acquire(), 5)
    print(held)
    async with AsyncDistributedLock(client, lock_name="register_user") as lock:
        lock.ensure_held()
    async with Mutex(client, "a").acquire_async(timeout=1) as lease:
        print(lease.fence)


asyncio.run(main())
"""


def run(*command):
    done = subprocess.run([str(word) for word in command], cwd=WORK, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise AssertionError(f"{command}:\n{done.stdout}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        WORK.mkdir(exist_ok=True)
        prefix = WORK / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        config = next(prefix.rglob("dlockConfig.cmake")).parent
        settings = {"build-dir": WORK / "build", "cmake.define.dlock_DIR": config,
                    "cmake.define.DLOCK_WERROR": "ON"}
        for old in (WORK / "wheel", WORK / "sdist", SITE):
            shutil.rmtree(old, ignore_errors=True)
        run(sys.executable, "-c", "import os, sys; os.chdir(sys.argv[1]); "
            "from scikit_build_core.build import build_sdist; build_sdist(sys.argv[2])",
            SOURCE / "python", WORK / "sdist")
        cls.archive, = (WORK / "sdist").glob("*.tar.gz")
        # With the time of now (-m): in the archive all have the same, and a change would go unseen.
        run("tar", "-xmf", cls.archive, "-C", WORK / "sdist")
        # Always the same place, so that a second build is quick.
        cls.sources = (WORK / "sdist" / cls.archive.name.removesuffix(".tar.gz")).rename(
            WORK / "sdist/sources")
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
        run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index",
            "--wheel-dir", WORK / "wheel",
            *(f"--config-settings={name}={value}" for name, value in settings.items()),
            cls.sources)
        cls.wheel, = (WORK / "wheel").glob("*.whl")
        run(*pip, "install", "--no-deps", "--no-index", "--target", SITE, cls.wheel)

    def test_the_version_is_that_of_the_library(self):
        header = (SOURCE / "include/dlock/version.hpp").read_text()
        version = self.wheel.name.split("-")[1]
        self.assertIn(f'DLOCK_VERSION "{version}"', header)

    def test_the_source_distribution_has_the_library_with_it(self):
        for folder in ("cmake", "include", "src"):
            for path in (SOURCE / folder).rglob("*"):
                there = self.sources / "dlock" / path.relative_to(SOURCE)
                if path.is_file():
                    self.assertEqual(there.read_bytes(), path.read_bytes())
        self.assertTrue((self.sources / "LICENSE").is_file())
        self.assertFalse((self.sources / "version.hpp").is_symlink())

    def test_the_source_distribution_can_be_built_with_the_library_in_it(self):
        nanobind = run(sys.executable, "-m", "nanobind", "--cmake_dir").strip()
        build = WORK / "from_sources"
        run("cmake", "-G", "Ninja", "-S", self.sources, "-B", build, f"-Dnanobind_DIR={nanobind}",
            f"-DPython_EXECUTABLE={sys.executable}")
        # All that it compiles is there; that it compiles, others see.
        run("ninja", "-C", build, "-n", "_dlock")

    def test_the_wheel_has_what_installers_and_type_checkers_look_for(self):
        with zipfile.ZipFile(self.wheel) as wheel:
            metadata, = (name for name in wheel.namelist() if name.endswith("/METADATA"))
            facts = wheel.read(metadata).decode().partition("\n\n")[0].splitlines()
            licence = wheel.read(metadata.replace("METADATA", "licenses/LICENSE"))
            self.assertIn("distributed_lock/py.typed", wheel.namelist())
            self.assertIn("distributed_lock/_dlock.pyi", wheel.namelist())
        self.assertEqual(licence, (SOURCE / "LICENSE").read_bytes())
        for fact in ("License-Expression: Apache-2.0", "Requires-Python: >=3.10",
                     "Classifier: Typing :: Typed", 'Requires-Dist: redis>=4.3; extra == "redis"'):
            self.assertIn(fact, facts)

    def test_the_module_shows_nothing_but_its_entry(self):
        module, = SITE.glob("distributed_lock/_dlock*.so")
        lines = run("nm", "-D", "--defined-only", module).splitlines()
        names = {line.split()[-1] for line in lines}
        ours = {name for name in names if "dlock" in name or "redis" in name}
        self.assertEqual(ours, {"PyInit__dlock"})

    def test_mypy_finds_no_fault_in_the_package_and_its_use(self):
        user = WORK / "user.py"
        user.write_text(USER)
        run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", WORK / "mypy",
            "--python-version", "3.10", "--no-error-summary", user,
            *(SOURCE / "python/src/distributed_lock").glob("*.py*"))

    def test_mypy_knows_the_types(self):
        wrong = WORK / "wrong.py"
        wrong.write_text("from distributed_lock import DistributedLock\n"
                         'lock: DistributedLock = DistributedLock(lock_name=3)\n')
        with self.assertRaisesRegex(AssertionError, 'incompatible type "int"; expected "str"'):
            run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", WORK / "mypy", wrong)


if __name__ == "__main__":
    unittest.main()
