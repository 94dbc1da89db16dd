"""The site that scripts/docs builds: without a warning, complete, and no link in it leads nowhere."""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
SITE = pathlib.Path(os.environ["DLOCK_BUILD_DIR"], "site")
sys.path.insert(0, str(SOURCE / "tests/docs"))

import browser  # noqa: E402
import markdown  # noqa: E402

IDENTIFIER = re.compile(r'\b(?:id|name)="([^"]+)"')
LINK = re.compile(r'<(\w+)\b[^>]*? (?:href|src)="?([^"#> ]*)#?([^"> ]*)"?')

FAULTS = """(() => {
  const faults = [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src);
  const { scrollWidth, clientWidth } = document.documentElement;
  return scrollWidth > clientWidth ? [...faults, `${scrollWidth} pixels wide`] : faults;
})()"""
SEARCH = """(async () => {
  document.querySelector('[data-md-toggle=search]').click();
  const query = document.querySelector('[data-md-component=search-query]');
  query.focus();
  query.value = 'min_replicas';
  query.dispatchEvent(new KeyboardEvent('keyup', { bubbles: true }));
  for (let i = 0; i < 1500; ++i) {
    const found = document.querySelector('.md-search-result__link');
    if (found) return found.href;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return 'nothing found in 30 s';
})()"""


def text_of(page):
    """What a page says, without spaces."""
    return "".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


def setUpModule():
    shutil.rmtree(SITE, ignore_errors=True)
    done = subprocess.run([SOURCE / "scripts/docs", "--offline", "--output", SITE],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout)


def pages():
    return sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")  # for servers alone


class Site(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.pages = {path: path.read_text() for path in pages()}

    def page_of(self, path):
        """The page of a file of the project."""
        name = path.relative_to(SOURCE)
        name = name.with_name("index.html") if name.name == "README.md" else \
            name.with_suffix(".html") if name.suffix == ".md" else pathlib.Path(f"{name}.html")
        self.assertIn(SITE / name, self.pages)
        return self.pages[SITE / name]

    def test_links_lead_to_pages_and_places_in_them(self):
        places = {path: set(IDENTIFIER.findall(text)) for path, text in self.pages.items()}
        for path, text in self.pages.items():
            for tag, file, place in LINK.findall(html.unescape(text)):
                with self.subTest(f"{path.relative_to(SITE)}: {file}#{place}"):
                    if re.match(r"https?:", file):
                        self.assertEqual(tag, "a", "a browser would fetch it")
                        continue
                    to = pathlib.Path(os.path.normpath(path.parent / file)) if file else path
                    self.assertTrue(to.is_file())
                    if place and place != "__codelineno-0-1":
                        self.assertIn(place, places[to])

    def test_each_page_is_linked_and_can_be_searched(self):
        linked = {pathlib.Path(os.path.normpath(path.parent / file))
                  for path, text in self.pages.items() for _, file, _ in LINK.findall(text)}
        self.assertLessEqual(set(self.pages), linked | {SITE / "index.html"})
        index = json.loads((SITE / "search/search_index.json").read_text())
        found = {SITE / entry["location"].partition("#")[0] for entry in index["docs"]}
        self.assertEqual(found, set(self.pages))

    def test_it_has_all_documents_with_their_headings_code_and_pictures(self):
        for document in markdown.documents():
            page = self.page_of(document.path)
            text = text_of(page)
            self.assertLessEqual(document.anchors - {""}, set(IDENTIFIER.findall(page)), document.path)
            for block in document.blocks:
                with self.subTest(block.place):
                    self.assertIn("".join(block.text.split()), text)
            for link in document.links:
                if link.endswith((".svg", ".png")):
                    self.assertRegex(page, rf'<img [^>]*src="{link}"')

    def test_no_list_or_table_is_left_as_text(self):
        for path, text in self.pages.items():
            for paragraph in re.findall(r"<p>(.*?)</p>", text, re.DOTALL):
                with self.subTest(f"{path.relative_to(SITE)}: {paragraph}"):
                    self.assertNotRegex(paragraph, r"(?m)^(- |\d+\. |\|.*\|$|```|#)")

    def test_it_has_all_examples_and_public_declarations(self):
        for example in (SOURCE / "examples").glob("*.[cps]*"):
            self.assertIn("".join(example.read_text().split()), text_of(self.page_of(example)))
        for header in (SOURCE / "include/dlock").glob("*.h*"):
            if header.name in ("until.hpp", "visitor.hpp"):  # for our own headers and packages
                continue
            page = self.page_of(header)
            text = re.sub(r"^namespace detail {.*?^}", "", header.read_text(), flags=re.M | re.S)
            places = {place.rpartition(".")[2] for place in IDENTIFIER.findall(page)}
            names = re.findall(r"^(?:class|struct) DLOCK_API (\w+)", text, re.MULTILINE) + \
                re.findall(r"^struct (\w+) {", text, re.MULTILINE) + \
                re.findall(r"^(?:enum class|using) (\w+)", text, re.MULTILINE) + \
                re.findall(r"^DLOCK_API [^(;]*?(\w+)\(", text, re.MULTILINE)
            with self.subTest(header.name):
                self.assertLessEqual(set(names), places)

    def test_the_api_has_what_is_public_and_not_what_is_inside(self):
        self.assertIn('id="Client.Client"', self.page_of(SOURCE / "include/dlock/client.hpp"))
        page = self.page_of(SOURCE / "include/dlock/mutex.hpp")
        self.assertIn("".join("Waits for the lock for at most span; a span of zero or less tries once.".split()),
                      text_of(page))
        self.assertIn('id="Mutex.try_lock_for"', page)
        self.assertNotIn("try_lock_in", page)
        self.assertNotIn("DLOCK_API", page)
        self.assertNotIn("detail::", "".join(self.pages.values()).replace("detail::in_ms", ""))


@unittest.skipUnless(browser.PROGRAM, "no Chromium here")
class InABrowser(unittest.TestCase):
    """The pages as files."""

    @classmethod
    def setUpClass(cls):
        # A browser that has ended may leave helpers that write for a moment more.
        directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(directory.cleanup)
        cls.browser = browser.Browser(directory.name)
        cls.addClassCleanup(cls.browser.close)

    def test_pages_fit_a_phone_have_their_pictures_and_no_error(self):
        self.browser.resize(390, 900)
        for page in pages():
            with self.subTest(page.relative_to(SITE)):
                self.browser.open(page.as_uri())
                self.assertEqual(self.browser.evaluate(FAULTS), [])
                self.assertEqual(self.browser.complaints(), [])
                self.assertEqual({url.partition(":")[0] for url in self.browser.fetched()} - {"data"},
                                 {"file"})

    def test_the_search_works_without_a_server(self):
        self.browser.resize(1280, 900)
        self.browser.open((SITE / "index.html").as_uri())
        self.assertTrue(self.browser.evaluate(SEARCH).startswith(SITE.as_uri()))

    def test_colours_are_those_of_the_system_until_the_reader_chooses(self):
        colours = """[document.body.dataset.mdColorScheme,
                      getComputedStyle(document.querySelector('main img')).colorScheme]"""
        for preferred, scheme in (("dark", "slate"), ("light", "default")):
            self.browser.prefer(preferred)
            self.browser.open((SITE / "index.html").as_uri())
            self.assertEqual(self.browser.evaluate(colours), [scheme, preferred])
        self.browser.evaluate("document.querySelector('#__palette_2').click()")
        self.assertEqual(self.browser.evaluate(colours), ["slate", "dark"])


if __name__ == "__main__":
    unittest.main()
