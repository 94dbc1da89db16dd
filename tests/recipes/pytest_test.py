"""The recipe for pytest, and the plugin that the package brings."""

import os
import unittest

from recipe_case import RECIPES, SOURCE, RecipeCase

PYTHON = SOURCE / ".deps/python/bin/python"

# Tests of a user, beside those of the recipe.
OTHERS = """
import os, pathlib
from distributed_lock import DistributedLock

def test_it_is_empty_and_one_for_the_session(dlock_store, request):
    pathlib.Path(os.environ["OUTBOX"]).write_text(dlock_store.url)
    with DistributedLock(dlock_store.url, lock_name="a", wait=0):
        pass

def test_it_is_the_same_one_in_every_test(dlock_store):
    assert dlock_store.url == pathlib.Path(os.environ["OUTBOX"]).read_text()
"""


class Pytest(RecipeCase):
    def setUp(self):
        super().setUp()
        del self.environment["DLOCK_URL"]

    def pytest(self, *arguments):
        running = self.start_program(PYTHON, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments),
                                     cwd=self.directory)
        running.wait()
        return running.process.returncode, running.stdout

    def test_the_tests_of_the_recipe_pass(self):
        status, said = self.pytest(RECIPES / "test_export.py")
        self.assertEqual(status, 0, said)
        self.assertIn("3 passed", said)

    def test_a_program_that_does_not_look_fails_them(self):
        careless = (RECIPES / "test_export.py").read_text().replace("lock.ensure_held()", "pass")
        (self.directory / "test_careless.py").write_text(careless)
        status, said = self.pytest("test_careless.py")
        self.assertEqual(status, 1, said)
        self.assertIn("1 failed, 2 passed", said)

    def test_a_session_has_one_server_which_ends_with_it(self):
        (self.directory / "test_others.py").write_text(OTHERS)
        status, said = self.pytest("test_others.py")
        self.assertEqual(status, 0, said)
        self.assertFalse(os.path.exists(self.outbox.read_text().removeprefix("redis+unix://")))


if __name__ == "__main__":
    unittest.main()
