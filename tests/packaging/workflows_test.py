"""The workflows: what they run is pinned and exists, jobs have no more rights than they need, and, where
it is installed, actionlint finds nothing."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
WORKFLOWS = sorted((SOURCE / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")


class Workflows(unittest.TestCase):
    def each(self):
        for path in WORKFLOWS:
            with self.subTest(path.name):
                yield path.read_text()

    def test_actions_are_pinned_to_a_commit_and_say_its_version(self):
        for text in self.each():
            for action in re.findall(r"uses: (.*)", text):
                self.assertRegex(action, rf"\A{PINNED.pattern}\Z")

    def test_an_action_has_the_same_commit_everywhere(self):
        used = {}
        for text in self.each():
            for name, commit in re.findall(r"uses: (\S+)@(\w+)", text):
                self.assertEqual(used.setdefault(name, commit), commit, name)

    def test_no_job_has_rights_that_it_does_not_name(self):
        for text in self.each():
            rights = re.search(r"(?m)^permissions:(.*(?:\n +.*)*)", text)
            self.assertIsNotNone(rights)
            self.assertNotIn("write", rights.group(1))

    def test_scripts_that_they_run_exist(self):
        for text in self.each():
            for script in re.findall(r"(?<![\w/])scripts/\w+", text):
                self.assertTrue(os.access(SOURCE / script, os.X_OK), script)

    @unittest.skipUnless(shutil.which("actionlint"), "actionlint is not installed")
    def test_actionlint_finds_nothing(self):
        done = subprocess.run(["actionlint", *WORKFLOWS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
