"""Installs what the recipes need from the registries, under the build directory: once for each list."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from recipe_case import BUILD, INSTALLED, RECIPES


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}:\n{done.stdout}")


class Install(unittest.TestCase):
    def is_current(self, *lists):
        """Whether INSTALLED has copies of these lists, which it gets when all is installed."""
        return all((INSTALLED / path.name).is_file()
                   and (INSTALLED / path.name).read_bytes() == path.read_bytes() for path in lists)

    def made_of(self, *lists):
        for path in lists:
            shutil.copy(path, INSTALLED)

    def test_what_is_needed_from_pypi(self):
        wanted = RECIPES / "requirements.txt"
        if self.is_current(wanted):
            return
        INSTALLED.mkdir(parents=True, exist_ok=True)
        system = pathlib.Path("/usr/bin/python3")  # that of the package under test
        shutil.rmtree(INSTALLED / "venv", ignore_errors=True)
        run(system if system.exists() else sys.executable, "-m", "venv", INSTALLED / "venv")
        run(INSTALLED / "venv/bin/pip", "install", "--disable-pip-version-check", "-q",
            "--only-binary", ":all:", "-r", wanted)
        self.made_of(wanted)

    def test_what_is_needed_from_npm(self):
        lists = [RECIPES / name for name in ("package.json", "package-lock.json")]
        if not self.is_current(*lists):
            shutil.rmtree(INSTALLED / "node", ignore_errors=True)
            (INSTALLED / "node").mkdir(parents=True)
            for path in lists:
                shutil.copy(path, INSTALLED / "node")
            run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=INSTALLED / "node")
            self.made_of(*lists)
        # dlock itself is that of this build.
        link = INSTALLED / "node/node_modules/dlock"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(BUILD / "node/node_modules/dlock", link.parent))


if __name__ == "__main__":
    unittest.main()
