"""The command of a release, for every platform: what scripts/package makes is run in a root that has the
C library and nothing else."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
OUTPUT = BUILD / "release/command"
sys.path.insert(0, str(SOURCE / "tests/support"))

from certificates import Authority  # noqa: E402
from eventually import eventually_answers  # noqa: E402
from redis_server import RedisServer, free_port  # noqa: E402
from scratch_root import ScratchRoot, can_make_roots, platforms  # noqa: E402
from tls_server import TlsServer  # noqa: E402

NEEDED = {"gnu": r"(ld-linux|lib(c|m|dl|rt|pthread))[\w.-]*\.so(\.\d+)*", "musl": r"libc\.so"}


def output_of(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE, **options).stdout


class Command:
    """The tests of one platform: `triple` is in packaging/platforms.py."""

    triple = None

    @classmethod
    def setUpClass(cls):
        cls.platform = platforms.ALL[cls.triple]
        output_of(SOURCE / "scripts/package", "tarball", "deb", "--platform", cls.triple, "--output", OUTPUT)
        (cls.tarball,) = OUTPUT.glob(f"dlock-*-{cls.triple}.tar.gz")
        cls.root = ScratchRoot(BUILD / "release/roots" / cls.triple, cls.platform)
        (cls.root.path / "opt").mkdir()
        output_of("tar", "-xzf", cls.tarball, "-C", cls.root.path / "opt", "--strip-components=1")
        cls.server = RedisServer()
        cls.addClassCleanup(cls.server.close)
        cls.url = f"redis://127.0.0.1:{cls.server.port}"

    def dlock(self, *arguments, **environment):
        return self.root.run("/opt/bin/dlock", *arguments, environment={"DLOCK_URL": self.url, **environment})

    def test_it_runs_programs_under_locks(self):
        inner = [*self.root.emulator, "/opt/bin/dlock", "info", "--json", "job"]
        done = self.dlock("run", "job", "--", *inner)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(json.loads(done.stdout)["held"])
        self.assertEqual(self.dlock("run", "job", "--", *self.root.emulator, "/opt/bin/dlock", "oops").returncode, 64)
        self.assertEqual(self.dlock("run", "job", "--", "/no/such/program").returncode, 127)
        self.assertEqual(self.dlock("ls").returncode, 0)
        self.assertIsNone(self.server.client().get("job"))

    def test_it_is_one_program_that_needs_nothing_but_libc(self):
        programs = [path for path in (self.root.path / "opt").rglob("*") if path.is_file() and os.access(path, os.X_OK)]
        self.assertEqual([path.name for path in programs], ["dlock"])
        dynamic = output_of("readelf", "--dynamic", programs[0])
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
            self.assertRegex(library, rf"\A{NEEDED[self.platform.libc]}\Z")
        versions = re.findall(r"GLIBC_(\d+)\.(\d+)", output_of("readelf", "--version-info", programs[0]))
        oldest = tuple(map(int, platforms.GLIBC.split(".")))
        self.assertLessEqual(max(((int(a), int(b)) for a, b in versions), default=oldest), oldest)
        self.assertLess(programs[0].stat().st_size, 8_000_000)

    def test_it_comes_with_pages_completions_and_licenses(self):
        for file in ("man/man1/dlock-run.1", "bash-completion/completions/dlock", "zsh/site-functions/_dlock",
                     "fish/vendor_completions.d/dlock.fish", "dlock/prometheus/alerts.yml", "doc/dlock/copyright",
                     "doc/dlock/LICENSE"):
            self.assertTrue((self.root.path / "opt/share" / file).is_file(), file)

    def test_it_serves(self):
        port = free_port()
        command = self.root.command("/opt/bin/dlock", "serve", "--listen", f"127.0.0.1:{port}", "--url", self.url)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
            try:
                self.assertIn("serving ", serving.stdout.readline())
                self.assertTrue(eventually_answers(f"http://127.0.0.1:{port}/healthz"))
            finally:
                serving.terminate()

    def test_tls_needs_openssl_of_the_system_and_says_so(self):
        authority = Authority(self.root.path / "tmp")
        with TlsServer(authority, authority.issue("server", "IP:127.0.0.1")) as server:
            url = server.tls_url("127.0.0.1", ca="/tmp/ca/ca.crt")
            refused = self.dlock("ls", "--url", url)
            self.assertEqual(refused.returncode, 64)
            self.assertIn("libssl3", refused.stderr)
            if self.platform.libc == "gnu":  # Debian has none for musl
                self.root.install("libssl3")
                done = self.dlock("run", "--url", url, "--wait", "1m", "job", "--", *self.root.emulator,
                                  "/opt/bin/dlock", "--version")  # it waits for slow emulators, too
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, r"\Adlock \d")

    def test_the_debian_package_has_the_same(self):
        if self.platform.libc != "gnu":
            self.skipTest("Debian has no musl")
        (package,) = OUTPUT.glob(f"dlock_*_{self.platform.debian}.deb")
        self.assertEqual(output_of("dpkg-deb", "-f", package, "Depends").strip(), f"libc6 (>= {platforms.GLIBC})")
        self.assertEqual(output_of("dpkg-deb", "-f", package, "Architecture").strip(), self.platform.debian)
        if shutil.which("lintian"):
            found = output_of("lintian", "--fail-on", "error,warning", package)
            self.assertNotRegex(found, "(?m)^[EW]:")
        subprocess.run(["dpkg-deb", "-x", package, self.root.path], check=True)
        done = self.root.run("/usr/bin/dlock", "run", "job", "--", *self.root.emulator, "/usr/bin/dlock", "--version",
                             environment={"DLOCK_URL": self.url})
        self.assertEqual(done.returncode, 0, done.stderr)
        pages = {path.name for path in (self.root.path / "usr/share/man/man1").glob("dlock*.gz")}
        self.assertIn("dlock-run.1.gz", pages)


def of(triple):
    return type(triple, (Command, unittest.TestCase), {"triple": triple})


for _triple in platforms.ALL:
    globals()[_triple.replace("-", "_")] = of(_triple)


if __name__ == "__main__":
    if not can_make_roots():
        print("skipped: this user may not make mount namespaces")
        sys.exit(77)
    unittest.main()
