"""What the documentation names exists: links, files, options; and what exists is named."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
COMMAND = os.environ["DLOCK_BIN"]
sys.path.insert(0, str(SOURCE / "tests/docs"))

import markdown  # noqa: E402

OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")
DIRECTORIES = ("cmake", "docs", "examples", "include", "node", "python", "scripts", "src",
               "tests")


def help_of(*subcommand):
    command = [COMMAND, *subcommand, "--help"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def options_of(*subcommand):
    """The options that a subcommand's help lists: those at the beginning of its lines."""
    options = set()
    for line in help_of(*subcommand).splitlines():
        if re.match(r"\s+-", line):
            listed = re.split(r"\s{2,}", line.strip())[0]
            options.update(OPTION.findall(listed))
    return options - {"-h", "--help", "--help-all", "--version"}


def members_of(struct):
    """The data members of a struct in options.hpp."""
    text = (SOURCE / "include/dlock/options.hpp").read_text()
    body = re.search(rf"struct {struct} {{(.*?)^}};", text, re.MULTILINE | re.DOTALL).group(1)
    body = re.sub(r"///.*", "", body)
    return set(re.findall(r"(\w+)\s*(?:{[^;]*}|= [^;]*);", body))


class References(unittest.TestCase):
    def setUp(self):
        self.documents = markdown.documents()
        self.readme = markdown.document("README.md")
        self.command = markdown.document("docs/command.md")
        self.library = markdown.document("docs/cpp.md")

    def test_links_lead_to_files_and_headings(self):
        for document in self.documents:
            for link in document.links:
                if re.match(r"https?:", link):
                    continue
                with self.subTest(f"{document.path.name}: {link}"):
                    file, _, anchor = link.partition("#")
                    path = (document.path.parent / file).resolve() if file else document.path
                    self.assertTrue(path.exists(), "no such file")
                    self.assertTrue(path.is_relative_to(SOURCE), "outside of the project")
                    if anchor:
                        self.assertIn(anchor, markdown.read(path).anchors)

    def test_every_document_can_be_reached_from_the_readme(self):
        reached = {(SOURCE / link.partition("#")[0]).resolve() for link in self.readme.links}
        for document in self.documents:
            if document.path != self.readme.path:
                self.assertIn(document.path.resolve(), reached)

    def test_every_picture_is_shown(self):
        shown = {(document.path.parent / link).resolve() for document in self.documents
                 for link in document.links}
        pictures = {path for form in ("svg", "png") for path in (SOURCE / "docs").glob(f"*/*.{form}")}
        self.assertEqual(pictures - shown, set())
        self.assertEqual([path for path in pictures if path.stat().st_size > 150_000], [])

    def test_files_named_in_the_text_exist(self):
        for document in self.documents:
            for span in document.code_spans:
                is_path = re.fullmatch(rf"({'|'.join(DIRECTORIES)})/[\w./-]*", span)
                if is_path and "NAME" not in span:
                    with self.subTest(f"{document.path.name}: {span}"):
                        self.assertTrue((SOURCE / span).exists())

    def test_the_readme_is_short(self):
        self.assertLess(len(self.readme.path.read_text().splitlines()), 251)

    def test_the_options_of_run_are_listed(self):
        rows = markdown.rows_of(self.command.section("Options"))
        listed = {option for row in rows for option in OPTION.findall(row[0])}
        self.assertEqual(listed, options_of("run"))

    def test_options_used_anywhere_exist(self):
        of_lines = re.compile(r"\bdlock (run|ls|info|break)\b([^\n|]*)")
        for document in self.documents:
            text = "\n".join([*document.code_spans, *(block.text for block in document.blocks)])
            for subcommand, rest in of_lines.findall(text.replace("\\\n", " ")):
                own = rest.partition(" -- ")[0]
                own = re.sub(r"'[^']*'|\"[^\"]*\"", "", own)
                for option in OPTION.findall(own):
                    with self.subTest(f"{document.path.name}: dlock {subcommand} {option}"):
                        self.assertIn(option, options_of(subcommand) | {"--help"})

    def test_the_options_of_the_library_are_listed(self):
        of_lock, _, of_client = self.library.section("Options").partition("Options of a client")
        for struct, part in (("LockOptions", of_lock), ("ClientOptions", of_client)):
            rows = markdown.rows_of(part)
            listed = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
            self.assertEqual(listed, members_of(struct))

    def test_the_exit_statuses_are_those_of_the_help(self):
        section = self.command.section("Exit status of `dlock run`")
        listed = {number for row in markdown.rows_of(section)
                  for number in re.findall(r"\b\d+\b", row[0])}
        for status in listed:
            self.assertRegex(help_of("run"), rf"\b{status}\b")
        for status in re.findall(r"\b\d+\b", help_of("run").partition("Exit status:")[2]):
            self.assertRegex(section, rf"\b{status}\b")


if __name__ == "__main__":
    unittest.main()
