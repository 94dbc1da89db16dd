"""Every wheel: installed by pip where nothing else is, and run on the oldest and on a new Python, on this
machine or under qemu-user. For musl there is no Python to be had here: its modules are loaded, and a
program in C runs on the library that they contain.

scripts/test --all runs this; it fetches other Pythons and C libraries (packaging/other_python,
packaging/foreign_root)."""

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path[:0] = [str(SOURCE / "tests/support"), str(SOURCE / "tests/docs"), str(SOURCE / "tests/python")]

import wheel_test  # noqa: E402
import wheels  # noqa: E402
from certificates import Authority  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from tls_server import TlsServer  # noqa: E402

OUTPUT = wheels.BUILD / "all-wheels"
ROOTS = wheels.BUILD / "foreign"
EXAMPLE = wheel_test.EXAMPLE
PLATFORMS = {
    "manylinux_2_28_x86_64": "x86_64-linux-gnu.2.28",
    "manylinux_2_28_aarch64": "aarch64-linux-gnu.2.28",
    "musllinux_1_2_x86_64": "x86_64-linux-musl",
    "musllinux_1_2_aarch64": "aarch64-linux-musl",
}
# A wheel, and a Python for it: which every later one stands for with cp312.
PYTHONS = {"cp310": "3.10", "cp311": "3.11", "cp312": "3.13"}

# Prints the names that a module expects from the program that loads it.
UNDEFINED = """
import sys
from elftools.elf.elffile import ELFFile
with open(sys.argv[1], "rb") as file:
    for symbol in ELFFile(file).get_section_by_name(".dynsym").iter_symbols():
        if symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL":
            print(symbol.name)
"""
LOADER = """
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  void* module = count > 1 ? dlopen(arguments[1], RTLD_NOW) : NULL;
  if (module == NULL) puts(dlerror());
  return module == NULL || dlsym(module, "PyInit__dlock") == NULL;
}
"""


def tool(target, name):
    return SOURCE / "build/zig" / target / "zig/bin" / name


def root(name, architecture, packages, release=""):
    place = ROOTS / name
    wheels.run(SOURCE / "packaging/foreign_root", architecture, place, *packages.split(),
               env={**os.environ, "DEBIAN_RELEASE": release})
    return place


def musl_root(machine):
    return root(f"musl-{machine}", {"x86_64": "amd64", "aarch64": "arm64"}[machine], "musl")


def glibc_root():
    return root("glibc", "arm64", "libc6 libgcc-s1 libssl3 libcrypt1 zlib1g")


def launcher(target):
    """What runs a program for the target on this machine."""
    machine, libc = target.split("-linux-")
    if libc == "musl":
        place = musl_root(machine)
        if machine == platform.machine():
            return [place / f"lib/ld-musl-{machine}.so.1"]
        return [f"qemu-{machine}", "-L", place]
    if machine == platform.machine():
        return []
    return [f"qemu-{machine}", "-L", glibc_root()]


def debians_python(version):
    """A Python of Debian's for aarch64, with the libraries that it needs: a command."""
    release, tls = {"3.11": ("bookworm", "libssl3"), "3.13": ("trixie", "libssl3t64")}[version]
    place = root(f"python{version}", "arm64",
                 f"libc6 libgcc-s1 {tls} zlib1g libexpat1 libffi8 libuuid1 libbz2-1.0 liblzma5 libzstd1 "
                 f"python{version}-minimal libpython{version}-minimal libpython{version}-stdlib", release)
    return ["qemu-aarch64", "-L", place, place / f"usr/bin/python{version}"]


def emulated_python(version):
    if version != "3.10":
        return debians_python(version)
    python = wheels.run(SOURCE / "packaging/other_python", version, "aarch64").strip()
    return ["qemu-aarch64", "-L", glibc_root(), python]


def setUpModule():
    wheels.build(OUTPUT)
    ROOTS.mkdir(exist_ok=True)


class Native(wheel_test.Wheel):
    built = OUTPUT


class AllWheels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="dlock-wheels-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    @contextlib.contextmanager
    def tls_server(self):
        with tempfile.TemporaryDirectory() as directory:
            authority = Authority(directory)
            with TlsServer(authority, authority.issue("server", "DNS:localhost")) as server:
                yield server.tls_port, ["ssl=yes", f"ssl_ca_certs={authority.ca}"]

    def assert_runs(self, *python, **environment):
        """The example runs, also through TLS."""
        path = os.environ["PATH"]  # of qemu; the program looks for nothing
        with RedisServer() as server:
            self.assertEqual(
                wheels.run_example([shutil.which(str(python[0]), path=path), *python[1:]], EXAMPLE,
                                   server.port, **environment), wheels.LETTERS)
        with self.tls_server() as (port, options):
            self.assertEqual(
                wheels.run_example([shutil.which(str(python[0]), path=path), *python[1:]], EXAMPLE, port,
                                   *options, **environment), wheels.LETTERS)

    def test_there_is_one_for_each_system_and_python(self):
        names = {path.name for path in OUTPUT.glob("*.whl")}
        for system in PLATFORMS:
            for python in PYTHONS:
                abi = "abi3" if python == "cp312" else python
                self.assertTrue(any(name.endswith(f"-{python}-{abi}-{system}.whl") for name in names),
                                f"{python} {system}: {names}")
        self.assertEqual(len(names), len(PLATFORMS) * len(PYTHONS))

    def test_those_for_glibc_run_here(self):
        for version in PYTHONS.values():
            with self.subTest(version):
                python = wheels.empty_environment(wheels.other_python(version),
                                                  self.directory / version, OUTPUT)
                self.assert_runs(python)

    @unittest.skipUnless(platform.machine() == "x86_64", "emulates aarch64")
    def test_those_for_glibc_on_aarch64_run_under_qemu(self):
        for version in PYTHONS.values():
            with self.subTest(version):
                place = self.directory / f"aarch64-{version}"
                wheels.install_for("manylinux_2_28_aarch64", version, place, OUTPUT)
                self.assert_runs(*emulated_python(version), PYTHONPATH=str(place))

    def test_those_for_musl_load(self):
        for system, target in PLATFORMS.items():
            if not target.endswith("musl"):
                continue
            for version in PYTHONS.values():
                with self.subTest(system, version=version):
                    place = self.directory / f"{system}-{version}"
                    wheels.install_for(system, version, place, OUTPUT)
                    self.assert_loads(next(place.glob("distributed_lock/_dlock*.so")), target)

    def assert_loads(self, module, target):
        names = wheels.run(SOURCE / ".deps/release/bin/python", "-c", UNDEFINED, module).split()
        stubs = [name for name in names if name.lstrip("_").startswith("Py")]
        self.assertGreater(len(stubs), 50)
        work = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        (work / "loader.c").write_text(
            LOADER + "".join(f"char {name}[4096];\n" for name in stubs))
        wheels.run(tool(target, "clang"), "-O1", "-w", "-rdynamic", "-o", work / "loader", work / "loader.c")
        wheels.run(*launcher(target), work / "loader", module)

    def test_the_library_in_them_works_on_each_system(self):
        for target in PLATFORMS.values():
            with self.subTest(target), RedisServer() as server:
                prefix = SOURCE / "build/zig" / target / "prefix"
                program = self.directory / f"plain_c-{target}"
                wheels.run(tool(target, "clang"), "-std=c11", "-c", f"-I{prefix}/include", "-o", f"{program}.o",
                           SOURCE / "examples/plain_c.c")
                wheels.run(tool(target, "clang++"), "-o", program, f"{program}.o",
                           next(prefix.rglob("libdlock.a")), "-lpthread", "-ldl")
                said = wheels.run(*launcher(target), program, timeout=wheels.LONG,
                                  env={"PATH": os.environ["PATH"], "DLOCK_URL": server.url})
                self.assertRegex(said, r"^abcd fence \d+\n$")

    def test_the_source_distribution_builds_with_a_compiler(self):
        archive, = OUTPUT.glob("*.tar.gz")
        place = self.directory / "from_source"
        # The build's own packages are those of scripts/setup, so that nothing is fetched.
        wheels.run(SOURCE / ".deps/python/bin/python", "-m", "pip", "-q", "--disable-pip-version-check",
                   "install", "--no-build-isolation", "--no-index", "--no-deps", "--target", place, archive)
        wheels.add_redis_py(place)
        self.assert_runs(SOURCE / ".deps/python/bin/python", PYTHONPATH=str(place))


if __name__ == "__main__":
    unittest.main()
