"""The manual pages: one for each command, all that its --help says, and in the form of a page."""

import os
import pathlib
import re
import subprocess
import unittest

DLOCK = os.environ["DLOCK_BIN"]
PAGES = pathlib.Path(os.environ["DLOCK_BUILD_DIR"]) / "man1"


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def commands():
    return sorted(set(re.findall(r"^  dlock (\w+) ", output_of(DLOCK, "help"), re.MULTILINE)))


def words(text):
    return set(re.findall(r"[\w-]+", text))


class ManPages(unittest.TestCase):
    def test_dlock_and_each_command_have_one(self):
        self.assertIn("run", commands())
        expected = {"dlock.1", *(f"dlock-{command}.1" for command in commands())}
        self.assertEqual({page.name for page in PAGES.iterdir()}, expected)

    def test_they_are_well_formed(self):
        result = subprocess.run(["mandoc", "-Tlint", "-W", "warning", *PAGES.iterdir()],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_each_has_the_sections_of_a_page_and_all_words_of_the_help(self):
        for command in ["", *commands()]:
            name = "-".join(filter(None, ["dlock", command]))
            with self.subTest(page=name):
                rendered = output_of("mandoc", "-Tascii", "-Owidth=1000", PAGES / f"{name}.1")
                text = re.sub(".\b", "", rendered)
                sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT",
                            "FILES", "EXAMPLES", "SEE ALSO"]
                if not command:
                    sections.remove("OPTIONS")
                self.assertEqual(re.findall(r"^[A-Z].*[A-Z]$", text, re.MULTILINE), sections)
                self.assertRegex(text, rf"NAME\n +{name} - \w.*\w\n")
                said = output_of(DLOCK, "help", *filter(None, [command]))
                said = re.sub(r"^(Usage|Exit status|Environment|Files): ", "", said, flags=re.MULTILINE)
                self.assertEqual(words(said) - words(text), set())
                others = {"dlock", *(f"dlock-{other}" for other in commands())} - {name}
                listed = re.search(r"SEE ALSO\n +(.*)\n", text).group(1)
                self.assertEqual(sorted(listed.split(", ")), sorted(f"{other}(1)" for other in others))


if __name__ == "__main__":
    unittest.main()
