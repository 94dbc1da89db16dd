"""A hook of MkDocs: the site's pages are the project's own files, in the places that they have there.

A document is a page as it is, so that the links between documents lead from page to page. A file
that a document links to becomes a page that shows it, and so does each example; a header becomes
the page of its API. A link to a directory is left as text.
"""

import os
import pathlib
import re
import sys

from mkdocs.structure.files import File

sys.path.insert(0, os.path.dirname(__file__))

import api  # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = ("*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "node/*.md", "python/*.md")
EXAMPLES = ("examples/*.cpp", "examples/*.c", "examples/*.py", "examples/*.sh")
PICTURES = ("docs/*/*.svg", "docs/*/*.png")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^()\s:#]+)(#[^()\s]*)?\)")  # to a file, not a picture
BLOCK = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"^<!--.*?-->\n", re.MULTILINE | re.DOTALL)
LANGUAGES = {".cpp": "cpp", ".c": "c", ".py": "python", ".sh": "sh", ".ts": "ts", ".mjs": "js",
             ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".service": "ini", ".timer": "ini"}


def found(patterns):
    return [path for pattern in patterns for path in sorted(SOURCE.glob(pattern))]


def target_of(path, link):
    return pathlib.Path(os.path.normpath(path.parent / link))


def prose_of(path, change):
    """A document, with `change` applied to what is no block of code."""
    parts = BLOCK.split(path.read_text())
    parts[::2] = [change(part) for part in parts[::2]]
    return "".join(parts)


def document(path):
    def lead(link):
        words, file, place = link.groups()
        target = target_of(path, file)
        if target.is_dir():
            return words
        return f"[{words}]({file}{'' if target.suffix == '.md' else '.md'}{place or ''})"

    return prose_of(path, lambda prose: LINK.sub(lead, COMMENT.sub("", prose)))


def listing(path):
    language = LANGUAGES.get(path.suffix, "text")
    return f"# {path.name}\n\n```{language} title=\"{path.relative_to(SOURCE)}\"\n{path.read_text()}```\n"


def shown(documents):
    """The files that get a page that shows them: what documents link to, and all examples."""
    files = set(found(EXAMPLES))
    for path in documents:
        prose_of(path, lambda prose: files.update(
            target_of(path, link[2]) for link in LINK.finditer(prose)) or "")
    return sorted(path for path in files if path.is_file() and path.suffix not in (".md", ".hpp", ".h"))


def on_files(files, config):
    def add(name, **what):
        files.append(File.generated(config, str(name), **what))

    documents = found(DOCUMENTS)
    for path in documents:
        add(path.relative_to(SOURCE), content=document(path))
    for path in shown(documents):
        add(f"{path.relative_to(SOURCE)}.md", content=listing(path))
    for path in found(PICTURES):
        add(path.relative_to(SOURCE), abs_src_path=str(path))
    headers = api.pages(pathlib.Path(os.environ["DLOCK_API"]))
    for name, text in headers.items():
        add(name, content=text)

    sections = {title: pages for entry in config.nav for title, pages in entry.items()}
    sections["Examples"] += [f"{path.relative_to(SOURCE)}.md" for path in found(EXAMPLES)]
    sections["API"] += list(headers)[1:]
    return files
