"""Checks wheels: each works on the systems that its name says, needs their C library and nothing else,
and is small. Run by scripts/wheels with the Python of .deps/release.

Usage: check_wheel.py WHEEL..."""

import io
import json
import pathlib
import re
import subprocess
import sys
import sysconfig
import zipfile

from elftools.elf.elffile import ELFFile

MOST_BYTES = 2_000_000
OF_THE_C_LIBRARY = re.compile(r"(lib(c|m|dl|pthread|rt|util)\.so(\.\d+)?|libc\.musl-.*|ld-(linux|musl)-.*)$")
PROGRAMS = pathlib.Path(sysconfig.get_path("scripts"))


def fail(wheel, what):
    sys.exit(f"{wheel.name}: {what}")


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def libc_of(tag):
    """`manylinux_2_28_x86_64` as what can be compared."""
    found = re.fullmatch(r"(many|musl)linux_(\d+)_(\d+)_(\w+)", tag)
    return found and (found[1], found[4], int(found[2]), int(found[3]))


def check_platform(wheel):
    # Without a look at this machine's libraries, of which one has a name that musl's has.
    done = run(PROGRAMS / "auditwheel", "show", "--json", "--ldpaths", "/nonexistent", wheel)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    tag = found.get("overall_tag", "")
    # musl's loader is its C library, whatever follows "libc."; auditwheel knows the name that Alpine uses,
    # and zig another one.
    if found.get("sym_tag", "").startswith("musllinux") and list(found["external_libs"]) == ["libc.so"]:
        tag = found["sym_tag"]
    said = libc_of(wheel.stem.split("-")[-1])
    needed = libc_of(tag)
    if said is None or needed is None or said[:2] != needed[:2] or needed > said:
        fail(wheel, f"auditwheel says that it needs {tag} {done.stderr}")


def check_libraries(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(".so"):
                continue
            dynamic = ELFFile(io.BytesIO(archive.read(name))).get_section_by_name(".dynamic")
            for tag in dynamic.iter_tags("DT_NEEDED"):
                if not OF_THE_C_LIBRARY.match(tag.needed):
                    fail(wheel, f"{name} needs {tag.needed}")


def check_python(wheel):
    if "-abi3-" in wheel.name:
        done = run(PROGRAMS / "abi3audit", "--strict", "--verbose", wheel)
        if done.returncode != 0:
            fail(wheel, f"abi3audit: {done.stdout}{done.stderr}")


for path in map(pathlib.Path, sys.argv[1:]):
    check_platform(path)
    check_libraries(path)
    check_python(path)
    if path.stat().st_size >= MOST_BYTES:
        fail(path, f"has {path.stat().st_size} bytes, which is more than {MOST_BYTES}")
