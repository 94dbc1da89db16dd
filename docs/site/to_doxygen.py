#!/usr/bin/env python3
"""Doxygen's filter for what is no header: prints FILE as the Markdown that Doxygen understands.

Of a document, headings get the names that a code host gives them, and links lead to the pages of
the site. Any other file becomes a page that shows it. A link to what the site does not have is an
error of Doxygen's; one to a directory is left as text.
"""

import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^()\s:]+)\)")  # not an image
# Doxygen colours a block by an extension. Those of listings stand for Markdown: no colours.
COLOURS = {"cpp": "hpp", "c": "h", "py": "pyw", "python": "pyw", "ts": "js", "js": "js"}


def page_of(path):
    """The name of a document's page: that of its directory if it is the README there."""
    name = path.relative_to(SOURCE)
    if name == pathlib.Path("README.md"):
        return "mainpage"
    if name.name == "README.md":
        return name.parent.name
    if name.suffix == ".md":
        return name.stem.lower()
    return re.sub(r"\W", "-", str(name).lower())


def anchor_of(path, heading):
    words = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"{page_of(path)}-{words}"


def links_of(path, text):
    def lead(link):
        words, target = link.groups()
        file, _, heading = target.partition("#")
        to = pathlib.Path(os.path.normpath(path.parent / file)) if file else path
        if to.is_dir():
            return words
        if to.parent == SOURCE / "include/dlock":
            return f"[{words}]({to})"
        return f"[{words}](@ref {anchor_of(to, heading) if heading else page_of(to)})"

    return LINK.sub(lead, text)


def block_of(language, text):
    return f"```{{.{COLOURS.get(language, 'md')}}}\n{text}```\n"


def prose_of(path, text):
    text = links_of(path, text)
    text = re.sub(r"\A(# .*)$", rf"\1 {{#{page_of(path)}}}", text, flags=re.MULTILINE)
    return re.sub(r"^##+ +(.*)$", lambda line: f"{line[0]} {{#{anchor_of(path, line[1])}}}", text,
                  flags=re.MULTILINE)


def document(path):
    parts = re.split(r"^```(\w*)\n(.*?)^```\n", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = prose_of(path, parts[0])
    for language, block, prose in zip(parts[1::3], parts[2::3], parts[3::3]):
        text += block_of(language, block) + prose_of(path, prose)
    return text


def listing(path):
    title = f"# {path.relative_to(SOURCE)} {{#{page_of(path)}}}\n"
    return title + block_of(path.suffix[1:], path.read_text())


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    sys.stdout.write(document(path) if path.suffix == ".md" else listing(path))


if __name__ == "__main__":
    main()
