"""The Debian packages, made of this build: clean for lintian, installable, and of use when unpacked."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
sys.path.insert(0, str(SOURCE / "tests/support"))

from redis_server import RedisServer  # noqa: E402


def output_of(*command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


@unittest.skipUnless(shutil.which("dpkg-deb") and shutil.which("cpack"), "not on Debian")
class Debian(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory(dir=BUILD)
        cls.addClassCleanup(directory.cleanup)
        cls.root = pathlib.Path(directory.name) / "root"
        output_of("cpack", "-G", "DEB", "-B", directory.name, cwd=BUILD)
        found = pathlib.Path(directory.name).glob("*.deb")
        cls.packages = {package.name.split("_")[0]: package for package in found}
        for package in cls.packages.values():
            output_of("dpkg-deb", "-x", package, cls.root)

    def field(self, package, name):
        return output_of("dpkg-deb", "-f", self.packages[package], name).strip()

    def test_there_are_three_that_need_one_another_and_recommend_a_server(self):
        self.assertEqual(set(self.packages), {"libdlock1", "libdlock-dev", "dlock"})
        version = self.field("libdlock1", "Version")
        self.assertIn(f"libdlock1 (= {version})", self.field("libdlock-dev", "Depends"))
        self.assertIn("libstdc++6", self.field("libdlock1", "Depends"))
        self.assertIn("redis-server", self.field("dlock", "Recommends"))

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
    def test_lintian_finds_nothing_but_the_stated_exceptions(self):
        # The exceptions stand in packaging/debian/lintian-overrides. This build may be configured for
        # another prefix than /usr, and is then without Debian's directory for each architecture.
        elsewhere = "pkg-config-unavailable-for-cross-compilation"
        found = output_of("lintian", "--fail-on", "error,warning", "--suppress-tags", elsewhere,
                          *self.packages.values())
        self.assertNotRegex(found, "(?m)^[EW]:")

    @unittest.skipUnless(shutil.which("apt-get"), "without apt")
    def test_apt_would_install_them(self):
        planned = output_of("apt-get", "-s", "-o", "Debug::NoLocking=1", "--no-install-recommends", "install",
                            *self.packages.values())
        for package in self.packages:
            self.assertIn(f"Inst {package} ", planned)

    def test_the_command_runs_from_where_they_were_unpacked(self):
        dlock = self.root / "usr/bin/dlock"
        with RedisServer() as server:
            environment = {**os.environ, "DLOCK_URL": server.url}
            self.assertEqual(output_of(dlock, "run", "job", "--", "printenv", "DLOCK_NAME", env=environment),
                             "job\n")
            self.assertEqual(server.client().get("job"), None)
        for file in ("man/man1/dlock-run.1.gz", "dlock/prometheus/alerts.yml", "dlock/grafana/dlock.json"):
            self.assertTrue((self.root / "usr/share" / file).is_file(), file)

    def test_a_program_is_built_with_them_and_runs(self):
        (pc,) = self.root.rglob("dlock.pc")
        environment = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
        flags = output_of("pkg-config", "--cflags", "--libs", "dlock", env=environment).split()
        program = self.root / "program"
        output_of("cc", SOURCE / "tests/install/consumer/main.c", *flags, "-o", program)
        self.assertIn("no connection", output_of(program, env={"LD_LIBRARY_PATH": str(pc.parent.parent)}))


if __name__ == "__main__":
    unittest.main()
