"""The site that scripts/docs builds: without a warning, complete, and no link in it leads nowhere."""

import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
SITE = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "site")
sys.path.insert(0, str(SOURCE / "tests/docs"))

import markdown  # noqa: E402

IDENTIFIER = re.compile(r'\b(?:id|name)="([^"]+)"')
LINK = re.compile(r'\b(?:href|src)="(?!https?:|javascript:)([^"#]*)#?([^"]*)"')


class Site(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(SITE, ignore_errors=True)
        done = subprocess.run([SOURCE / "scripts/docs", "--offline", "--output", SITE],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout)
        cls.pages = {path.name: path.read_text() for path in SITE.glob("*.html")}

    def page_titled(self, title):
        found = [text for text in self.pages.values() if f"<title>dlock: {title}</title>" in text]
        self.assertEqual(len(found), 1, title)
        return found[0]

    def test_links_lead_to_pages_and_places_in_them(self):
        places = {name: set(IDENTIFIER.findall(text)) for name, text in self.pages.items()}
        for name, text in self.pages.items():
            for file, place in LINK.findall(html.unescape(text)):
                with self.subTest(f"{name}: {file}#{place}"):
                    self.assertTrue((SITE / (file or name)).is_file())
                    if place:
                        self.assertIn(place, places[file or name])

    def test_it_has_all_documents_with_their_code(self):
        for document in markdown.documents():
            title = document.path.read_text().splitlines()[0].removeprefix("# ")
            page = html.unescape(re.sub(r"<[^>]*>", "", self.page_titled(title)))
            for block in document.blocks:
                with self.subTest(block.place):
                    self.assertIn("".join(block.text.split()), "".join(page.split()))

    def test_it_has_all_public_headers_and_examples(self):
        for header in (SOURCE / "include/dlock").glob("*.h*"):
            if header.name != "until.hpp":  # for the library's own headers
                self.page_titled(f"include/dlock/{header.name} File Reference")
        for example in (SOURCE / "examples").glob("*.[cps]*"):
            self.page_titled(f"examples/{example.name}")

    def test_it_has_what_is_public_and_not_what_is_inside(self):
        text = self.page_titled("dlock::Mutex Class Reference")
        self.assertIn("Waits at most this long; a span of zero or less tries once.", text)
        self.assertNotIn("try_lock_in", text)
        self.assertNotIn("DLOCK_API", text)
        self.assertFalse([name for name in self.pages if "detail" in name])


if __name__ == "__main__":
    unittest.main()
