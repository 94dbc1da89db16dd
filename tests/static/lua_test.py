"""luacheck over the scripts, each with what it includes: above all, no name without a declaration.

Redis finds such a name only when the line runs.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"]) / "src" / "script"
INCLUDE = re.compile(r"^-- include (\S+)$", re.MULTILINE)
# A script may include more than it uses, and its own names may hide those of what it includes.
OPTIONS = ["--no-config", "--no-color", "--codes", "--std", "lua51", "--read-globals", "redis",
           "KEYS", "ARGV", "table.unpack", "--ignore", "211", "4", "--no-max-line-length"]


def composed(path, files):
    """The text of a script, with that of the files it includes in place of the lines that say so."""
    return INCLUDE.sub(lambda found: composed(files[found[1]], files), path.read_text())


def main():
    if not shutil.which("luacheck"):
        print("skipped: luacheck is not installed")
        return 77
    files = {path.name: path for path in sorted(SCRIPTS.rglob("*.lua"))}
    with tempfile.TemporaryDirectory() as directory:
        for name, path in files.items():
            if not name.startswith("_"):
                text = composed(path, files)
                # What Redis reads in the first line is none of Lua's.
                text = re.sub(r"\A#!", "--", text)
                (pathlib.Path(directory) / name).write_text(text)
        return subprocess.run(["luacheck", *OPTIONS, "."], cwd=directory).returncode


if __name__ == "__main__":
    sys.exit(main())
