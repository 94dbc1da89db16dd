"""What an uncontended acquire and release cost the client, in instructions: a guard without a clock."""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import types
import unittest

BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "bench")]

import cost  # noqa: E402
from redis_server import RedisServer  # noqa: E402

CACHE = (BUILD / "CMakeCache.txt").read_text()
# About a third more than it was when last looked at; set it lower when the client gets cheaper.
MOST = 23000


class Instructions(unittest.TestCase):
    def setUp(self):
        server = RedisServer()
        self.addCleanup(server.close)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.context = types.SimpleNamespace(
            server=server, directory=directory.name, fresh_name=lambda: "pair",
            command=lambda _: [BUILD / "bench/dlock_bench_worker"])

    def test_an_uncontended_pair_costs_the_client_no_more_than_it_did(self):
        spent, bare = (cost.instructions_per_pair(self.context, subject)
                       for subject in ("dlock", "floor-pair"))
        print(f"{spent:.0f} instructions for each pair, {bare:.0f} of a bare one")
        self.assertLess(spent, MOST)
        self.assertGreater(bare, 1000, "they are counted at all")

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_a_bare_pair_is_two_sends_and_two_receives(self):
        calls = cost.system_calls_per_pair(self.context, "floor-pair")
        self.assertAlmostEqual(calls, 4, delta=0.1)  # and memory for the samples, now and then


if __name__ == "__main__":
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        sys.exit(77)
    if re.search(r"^DLOCK_SANITIZE:\w+=.+$", CACHE, re.MULTILINE):
        print("skipped: sanitizers count too")
        sys.exit(77)
    unittest.main()
