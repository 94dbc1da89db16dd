"""clang-tidy over src/ and include/, with the compile commands of this build.

A file is checked again only when it, a header it includes, its compile command or .clang-tidy
changed: results that were clean are remembered in the build directory.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
CACHE = BUILD / "tidy-cache"
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


def key_of(entry, version):
    digest = hashlib.sha256(version)
    digest.update((SOURCE / ".clang-tidy").read_bytes())
    digest.update(entry["command"].encode())
    for path, content in sorted(with_includes(pathlib.Path(entry["file"]), {}).items()):
        digest.update(str(path).encode() + b"\0" + content)
    return digest.hexdigest()


def check(entry):
    command = [TIDY, "--quiet", "-p", str(BUILD), entry["file"]]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def main():
    if not TIDY:
        print("skipped: clang-tidy-19 is not installed")
        return 77
    version = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, check=True).stdout
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    entries = [e for e in entries if pathlib.Path(e["file"]).is_relative_to(SOURCE / "src")]
    CACHE.mkdir(exist_ok=True)
    keys = {e["file"]: key_of(e, version) for e in entries}
    todo = [e for e in entries if not (CACHE / keys[e["file"]]).exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for entry, result in zip(todo, pool.map(check, todo)):
            if result.returncode == 0:
                (CACHE / keys[entry["file"]]).touch()
            else:
                failed += 1
                print(re.sub(r"(?m)^\d+ warnings? .*\n", "", result.stdout))
    for stale in set(p.name for p in CACHE.iterdir()) - set(keys.values()):
        (CACHE / stale).unlink()
    print(f"{len(entries)} files: {len(todo)} checked, the others are unchanged; {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
