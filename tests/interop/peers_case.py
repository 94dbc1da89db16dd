"""What every library that locks by the plain lock key must go through beside dlock, both ways.

The libraries run in the drivers of bench/peers, installed under the build directory. A language
whose packages cannot be had is skipped, and says why.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "bench")]

import peers  # noqa: E402
import placement  # noqa: E402
import samples  # noqa: E402
from driver import Driver  # noqa: E402
from eventually import eventually  # noqa: E402
from redis_server import RedisServer  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
ROOT = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "peers")
LONG = 60  # seconds for anything that should come soon
FOR_EVER = 1 << 62  # nanoseconds
SKIPPED = 77

# The lock is held from one of its times to the other. To be run by dlock, with a file.
NOTE = """
import sys, time
begin = time.monotonic_ns()
time.sleep(0.003)
open(sys.argv[1], "a").write(f"{begin} {time.monotonic_ns()}\\n")
"""


_made = {}  # language -> the command, or why there is none


def command_of(language):
    """What runs the driver. Raises unittest.SkipTest."""
    # Without its registry a package client is to give up soon.
    patience = {"PIP_RETRIES": "1", "npm_config_fetch_retries": "1"}
    os.environ.update({name: os.environ.get(name, value) for name, value in patience.items()})
    ROOT.mkdir(parents=True, exist_ok=True)
    if language not in _made:
        try:
            _made[language] = peers.Workshop(language, ROOT, offline=False, say=print).make()
        except peers.Missing as missing:
            _made[language] = missing
    if isinstance(_made[language], peers.Missing):
        raise unittest.SkipTest(f"no peers in {language}: {_made[language]}")
    return _made[language]


class DriverCase(unittest.TestCase):
    LANGUAGE = None
    SUBJECT = None

    @classmethod
    def setUpClass(cls):
        cls.command = command_of(cls.LANGUAGE)

    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.notes = self.directory / "notes"
        self.environment = {**os.environ, "DLOCK_URL": self.server.url}

    def value(self):
        return self.server.command("GET", "job")

    def dlock(self, *command, options=()):
        """Holds the lock while the command runs."""
        process = subprocess.Popen([DLOCK, "run", *options, "job", "--", *map(str, command)],
                                   env=self.environment, stdin=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def dlock_notes(self):
        return self.dlock(sys.executable, "-c", NOTE, self.notes)

    def dlock_holds(self, options=()):
        """Until it reads a line."""
        process = self.dlock("sh", "-c", "read line", options=options)
        self.assertTrue(eventually(lambda: (self.value() or b"").startswith(b"dlock1:")))
        return process

    def noted(self):
        """When dlock held the lock: pairs."""
        return [tuple(map(int, line.split())) for line in self.notes.read_text().splitlines()]

    def driver(self, workers=1, **options):
        """A peer that is ready to begin."""
        driver = Driver(self.command, self.server, self.directory, placement.SERVER_CPU)
        self.addCleanup(driver.close)
        os.sched_setaffinity(driver.pid, placement.ALLOWED)
        driver.expect("ready")
        driver.start(self.SUBJECT, "one", "job", workers, **options)
        driver.expect("armed")
        return driver

    def peer(self, **options):
        """A peer that takes the lock once."""
        driver = self.driver(count=1, **options)
        driver.say("go", 0, FOR_EVER)
        return driver

    def peer_holds(self, **options):
        driver = self.peer(**options)
        self.assertTrue(eventually(self.value))
        self.assertFalse(self.value().startswith(b"dlock1:"))
        return driver


class PeerCase(DriverCase):
    """Of those that use the lock key, SUBJECT in LANGUAGE."""

    def test_no_two_hold_at_once_under_load(self):
        drivers = [self.driver(workers=3, hold_ms=3) for _ in range(2)]
        begin = time.monotonic_ns()
        end = begin + 2_000_000_000
        for driver in drivers:
            driver.say("go", begin, end)
        while time.monotonic_ns() < end:
            ours = [self.dlock_notes() for _ in range(3)]
            self.assertEqual([process.wait(LONG) for process in ours], [0] * 3)
        for driver in drivers:
            _, errors = driver.expect("done", LONG)
            self.assertEqual(errors, "0", driver.stderr())
        theirs = [(sample.acquired, sample.releasing) for sample in samples.read(drivers)]
        self.assertTrue(theirs)
        held = sorted(theirs + self.noted())
        for former, latter in zip(held, held[1:]):
            self.assertLess(former[1], latter[0])

    def test_dlock_waits_for_it(self):
        peer = self.peer_holds(hold_ms=1000)
        self.assertEqual(self.dlock("true", options=["--nonblock"]).wait(LONG), 75)
        self.assertEqual(self.dlock_notes().wait(LONG), 0)
        self.assertEqual(peer.expect("done", LONG), ["1", "0"])
        sample, = samples.read([peer])
        self.assertLess(sample.releasing, self.noted()[0][0])

    def test_dlock_has_the_lock_when_the_lease_of_a_dead_one_ends(self):
        peer = self.peer_holds(hold_ms=LONG * 1000, ttl_ms=1000)
        peer.close()
        asked, left_ms = time.monotonic_ns(), self.server.command("PTTL", "job")
        self.assertEqual(self.dlock_notes().wait(LONG), 0)
        self.assertGreaterEqual(self.noted()[0][0], asked + (left_ms - 1) * 1_000_000)

    def test_it_waits_for_dlock(self):
        holder = self.dlock_holds()
        value = self.value()
        peer = self.peer()
        self.assertFalse(eventually(lambda: self.value() != value, timeout=0.5))
        released = time.monotonic_ns()
        holder.communicate("\n", LONG)
        self.assertEqual(peer.expect("done", LONG), ["1", "0"])
        self.assertLess(released, samples.read([peer])[0].acquired)

    def test_it_has_the_lock_as_soon_as_dlock_was_killed_and_not_after_the_ttl(self):
        holder = self.dlock_holds(options=["--ttl", "1h"])
        peer = self.peer()
        holder.kill()
        self.assertEqual(peer.expect("done", LONG), ["1", "0"])

    def late_release(self):
        """The peer gives back a lock that dlock has by now."""
        peer = self.peer_holds(hold_ms=2000, ttl_ms=1000)
        holder = self.dlock_holds()
        value = self.value()
        peer.expect("done", LONG)
        return holder, value

    def test_its_late_release_leaves_dlock_alone(self):
        holder, value = self.late_release()
        self.assertEqual(self.value(), value)
        holder.communicate("\n", LONG)
        self.assertEqual(holder.returncode, 0)


class OtherKeyCase(DriverCase):
    """Of those that use other keys: KEY, for the name `job`."""

    def test_it_and_dlock_do_not_see_each_other(self):
        self.peer(hold_ms=LONG * 1000)
        self.assertTrue(eventually(lambda: self.server.command("EXISTS", self.KEY)))
        self.assertIsNone(self.value())
        self.assertEqual(self.dlock("true", options=["--nonblock"]).wait(LONG), 0)


def main(cases):
    """Runs the tests of `cases`; the exit status says so when all were skipped."""
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    suite = unittest.TestSuite(map(load, cases))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful() or (SKIPPED if not result.testsRun else 0))
