"""The project's Markdown documents: fenced code blocks with their markers, links, headings.

A marker is an HTML comment, `<!-- test: WORDS -->`, in the line before a block or a table. It says
what the tests do with it; readers do not see it.
"""

import dataclasses
import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])

FENCE = re.compile(r"```([A-Za-z0-9+_-]*)[ \t]*$")
MARKER = re.compile(r"<!-- test: (.*?) -->$")
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")


@dataclasses.dataclass
class Block:
    """A fenced code block."""

    path: pathlib.Path
    line: int
    language: str
    marker: list
    text: str

    @property
    def place(self):
        return f"{self.path.relative_to(SOURCE)}:{self.line}"


@dataclasses.dataclass
class Document:
    path: pathlib.Path
    blocks: list
    tables: dict  # marker -> rows of cells, without the head
    prose: str  # all but the blocks

    @property
    def links(self):
        return LINK.findall(self.prose)

    @property
    def code_spans(self):
        return CODE_SPAN.findall(self.prose)

    @property
    def anchors(self):
        """The names that GitHub gives to headings."""
        headings = re.findall(r"^#+ +(.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def section(self, heading):
        """The prose under a heading."""
        match = re.search(rf"^(#+) +{re.escape(heading)}$(.*?)(?=^#|\Z)", self.prose,
                          re.MULTILINE | re.DOTALL)
        if not match:
            raise AssertionError(f"{self.path.name} has no heading {heading!r}")
        return match.group(2)


def cells_of(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_of(text):
    """The rows of all tables in `text`, without their heads."""
    lines = text.splitlines()
    rows = []
    for i, line in enumerate(lines):
        if line.startswith("|") and not re.match(r"\|[ :-]+\|", line):
            is_head = i + 1 < len(lines) and re.match(r"\|[ :|-]+\|$", lines[i + 1])
            if not is_head:
                rows.append(cells_of(line))
    return rows


def read(path):
    lines = path.read_text().splitlines()
    blocks, tables, prose = [], {}, []
    marker, block = [], None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if block:
            if fence and not fence.group(1):
                block.text = "".join(text + "\n" for text in block.text)
                blocks.append(block)
                block = None
            else:
                block.text.append(line)
            continue
        if fence:
            block = Block(path, number, fence.group(1), marker, [])
        else:
            prose.append(line)
            if marker and line.startswith("|"):
                end = next((i for i in range(number, len(lines)) if not lines[i].startswith("|")),
                           len(lines))
                tables[" ".join(marker)] = rows_of("\n".join(lines[number - 1:end]))
        found = MARKER.match(line)
        marker = found.group(1).split() if found else []
    if block:
        raise AssertionError(f"{block.place}: a block without an end")
    return Document(path, blocks, tables, "\n".join(prose) + "\n")


def documents():
    paths = [path for part in (".", "docs", "examples", "node", "python")
             for path in sorted((SOURCE / part).glob("*.md"))]
    return [read(path) for path in paths]


def document(name):
    return read(SOURCE / name)
