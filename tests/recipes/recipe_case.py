"""What the tests of the recipes share: a server, and where the frameworks are that they need."""

import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
RECIPES = SOURCE / "examples/recipes"
INSTALLED = BUILD / "recipes"  # by install_test.py
PYTHON = INSTALLED / "venv/bin/python"
sys.path[:0] = [str(SOURCE / "tests/cli"), str(SOURCE / "tests/support")]

from cli_case import CliCase, DLOCK, PATIENCE, eventually  # noqa: E402, F401
from redis_server import free_port  # noqa: E402, F401


class RecipeCase(CliCase):
    def setUp(self):
        super().setUp()
        self.leaves_keys = True  # those of frameworks, and what keeps others out for a period
        self.outbox = self.directory / "outbox"
        self.outbox.touch()
        path = os.pathsep.join([os.path.dirname(DLOCK), os.environ["PATH"]])
        self.environment |= {"PATH": path, "PYTHONPATH": f"{BUILD}/python/site",
                             "PYTHONDONTWRITEBYTECODE": "1", "OUTBOX": str(self.outbox)}

    def python(self, *arguments, cwd=RECIPES):
        return self.start_program(PYTHON, *arguments, cwd=cwd)

    def sent(self):
        return self.outbox.read_text().splitlines()

    def outputs(self, running, status=0):
        """Waits until all have ended with this status; returns what each printed."""
        for each in running:
            self.assertEqual(each.wait(), status, each.stderr)
        return [each.stdout for each in running]

    def eventually_held(self, name):
        """Waits until somebody holds the mutex."""
        return eventually(lambda: self.server.command("EXISTS", name), PATIENCE)

    def program(self, name, *lines):
        """A shell script that a recipe runs."""
        path = self.directory / name
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)
        return path
