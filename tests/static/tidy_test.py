"""clang-tidy over src/ and include/, with the compile commands of this build.

The files of a room are checked together, as one unit, because nearly all of the time goes into the
headers that they share. A unit that fails is checked again by halves, so that what is printed comes
from a file on its own, and two files may give one name to different things.

A unit is checked again only when a file of it, a header they include, a compile command or
.clang-tidy changed: results that were clean are remembered in the build directory.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
CACHE = BUILD / "tidy-cache"
MAX_FILES = 12
TIDY = shutil.which("clang-tidy-19")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
ROOTS = [SOURCE / "src", SOURCE / "include", BUILD / "generated"]


def with_includes(path, seen):
    """The file and all project headers it includes, directly or not."""
    if path in seen:
        return seen
    seen[path] = path.read_bytes()
    for name in INCLUDE.findall(seen[path].decode()):
        for root in [path.parent, *ROOTS]:
            if (root / name).is_file():
                with_includes(root / name, seen)
                break
    return seen


def units_of(entries):
    """The files of one folder with the same flags, at most MAX_FILES together."""
    alike = {}
    for entry in entries:
        words = shlex.split(entry["command"].replace(entry["file"], ""))
        flags = [w for w in words[1:] if w.startswith(("-D", "-I", "-W", "-std"))]
        folder = pathlib.Path(entry["file"]).parent
        alike.setdefault((folder, *flags), []).append(entry["file"])
    for (_, *flags), files in alike.items():
        parts = -(-len(files) // MAX_FILES)
        for part in range(parts):
            yield flags, sorted(files)[part::parts]


def key_of(unit, version):
    digest = hashlib.sha256(version)
    digest.update((SOURCE / ".clang-tidy").read_bytes())
    digest.update(repr(unit).encode())
    seen = {}
    for file in unit[1]:
        with_includes(pathlib.Path(file), seen)
    for path, content in sorted(seen.items()):
        digest.update(str(path).encode() + b"\0" + content)
    return digest.hexdigest()


def complaints(unit):
    """What clang-tidy says against the unit's files; empty if it has nothing to say."""
    flags, files = unit
    command = [TIDY, "--quiet", files[-1]]
    if len(files) > 1:
        command.append("--checks=-bugprone-suspicious-include")  # of the files before the last
    for file in files[:-1]:
        flags = [*flags, "-include", file]
    done = subprocess.run([*command, "--", *flags], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, cwd=SOURCE)
    if done.returncode == 0:
        return ""
    if len(files) == 1:
        return re.sub(r"(?m)^\d+ warnings? .*\n", "", done.stdout)
    half = len(files) // 2
    return complaints((unit[0], files[:half])) + complaints((unit[0], files[half:]))


def main():
    if not TIDY:
        print("skipped: clang-tidy-19 is not installed")
        return 77
    os.nice(10)  # it runs beside tests that look at the time
    version = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, check=True).stdout
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    units = list(units_of(e for e in entries if pathlib.Path(e["file"]).is_relative_to(SOURCE / "src")))
    CACHE.mkdir(exist_ok=True)
    keys = [key_of(unit, version) for unit in units]
    todo = [(unit, key) for unit, key in zip(units, keys) if not (CACHE / key).exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for (_, key), found in zip(todo, pool.map(complaints, [unit for unit, _ in todo])):
            if found:
                failed += 1
                print(found)
            else:
                (CACHE / key).touch()
    for stale in set(p.name for p in CACHE.iterdir()) - set(keys):
        (CACHE / stale).unlink()
    print(f"{len(units)} units: {len(todo)} checked, the others are unchanged; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
