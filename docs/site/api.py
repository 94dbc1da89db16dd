"""The API of C++ and C as Markdown, of the XML that Doxygen makes of the public headers.

A header is a page: what the file is, then what it declares, in its order. Overloads that stand
together share a heading. What has no comment is not shown: Doxygen has warned of what should have.
"""

import html
import re
import textwrap
import xml.etree.ElementTree as tree

KINDS = {"class": "class", "struct": "struct", "concept": "concept"}


def page_of(header):
    return f"{header}.md"


def tidy(text):
    """A declaration as we write it."""
    text = re.sub(r"< ", "<", re.sub(r" >", ">", " ".join(text.split())))
    return re.sub(r" ([&*]+)(?=\w)", r"\1 ", re.sub(r" ([&*]+)(?![\w&*])", r"\1", text))


def escaped(text):
    return html.escape(re.sub(r"([\\`*_{}\[\]#])", r"\\\1", text or ""), quote=False)


def text_of(node):
    return "" if node is None else "".join(node.itertext())


def bare(text):
    return re.sub(r"\bdlock::", "", text)


class Entity:
    """A class, function, type, value or macro that has a comment."""

    def __init__(self, node, parent=None):
        self.node, self.parent = node, parent
        self.kind = node.get("kind")
        parts = ("name",) if parent else ("qualifiedname", "compoundname", "name")
        self.name = bare(tidy(next(filter(None, (text_of(node.find(part)) for part in parts)))))
        location = node.find("location")
        self.header, self.line = location.get("file"), int(location.get("line"))
        self.anchor = f"{parent.anchor}." if parent else ""
        self.anchor += re.sub(r"[^\w.~-]", "-", self.name.replace("::", "."))
        self.members = [Entity(member, self) for member in node.iterfind("sectiondef/memberdef")
                        if member.get("prot") == "public"] if parent is None else []
        self.members = sorted(filter(Entity.is_shown, self.members), key=lambda member: member.line)

    def is_shown(self):
        """It has a comment, and is no constructor that is inherited."""
        is_constructor = self.parent and self.kind == "function" and \
            not text_of(self.node.find("type")) and not self.name.startswith("operator")
        return (not is_constructor or self.name.lstrip("~") == self.parent.name.rpartition("::")[2]) and \
            any(text_of(self.node.find(part)).strip()
                for part in ("briefdescription", "detaileddescription"))

    @property
    def is_value(self):
        return self.kind == "variable" and self.parent

    @property
    def title(self):
        return f"{self.name}()" if self.kind == "function" else self.name

    def declaration(self):
        node, name = self.node, self.name
        template = ", ".join(" ".join(filter(None, (text_of(param.find("type")),
                                                    text_of(param.find("declname")))))
                             for param in node.iterfind("templateparamlist/param"))
        head = f"template <{tidy(template)}>\n" if template else ""
        if self.kind in KINDS:
            if self.kind == "concept":
                return bare(text_of(node.find("initializer"))).strip().replace("=  ", "= ") + ";"
            bases = ", ".join(f"public {bare(text_of(base))}" for base in node.iterfind("basecompoundref"))
            return f"{head}{self.kind} {name}{' : ' + bases if bases else ''};"
        if self.kind == "enum":
            values = ",\n".join(f"  {text_of(value.find('name'))} {text_of(value.find('initializer'))}"
                                .rstrip() for value in node.iterfind("enumvalue"))
            return f"enum {'class ' if node.get('strong') == 'yes' else ''}{name} {{\n{values}\n}};"
        if self.kind == "define":
            parameters = ", ".join(text_of(name) for name in node.iterfind("param/defname"))
            value = text_of(node.find("initializer"))
            return f"#define {name}{f'({parameters})' if parameters else ''} {value}".rstrip()
        if self.kind == "typedef":
            definition = bare(text_of(node.find("definition")))
            return tidy(definition.replace("= typedef", "=")) + text_of(node.find("argsstring")) + ";"
        words = [word for word in ("static", "explicit") if node.get(word) == "yes"]
        line = tidy(" ".join([*words, text_of(node.find("type")), name]))
        line += text_of(node.find("argsstring")) + text_of(node.find("initializer"))
        line = re.sub(r"(?<=\w)=\s*", " = ", tidy(line)) if "operator" not in name else tidy(line)
        return head + wrapped(line) + ";"


def wrapped(line):
    """A function's declaration, with a line for each parameter if it is too long for one."""
    opened = line.find("(")
    if len(line) <= 76 or opened < 0:
        return line
    depth, parts, start = 0, [], opened + 1
    for i in range(opened, len(line)):
        depth += (line[i] in "(<{") - (line[i] in ")>}")
        if depth == 0 or (depth == 1 and line[i] == ","):
            parts.append(line[start:i].strip())
            start = i + 1
            if depth == 0:
                return f"{line[:opened]}(\n    " + ",\n    ".join(parts) + line[i:]
    return line


class Api:
    def __init__(self, directory):
        self.files, entities, self.places = {}, [], {}
        for path in sorted(directory.glob("*.xml")):
            for compound in tree.parse(path).iterfind("compounddef"):
                kind = compound.get("kind")
                if kind == "file":
                    self.files[compound.find("location").get("file")] = compound
                elif kind in KINDS:
                    entities.append(Entity(compound))
                if kind in ("file", "namespace"):
                    entities += [Entity(member) for member in compound.iterfind("sectiondef/memberdef")]
        types = {entity.name for entity in entities if entity.kind in ("enum", *KINDS)}
        entities = {entity.node.get("id"): entity for entity in entities if entity.is_shown() and
                    not (entity.kind == "typedef" and entity.name in types)}  # typedef struct of C
        self.entities = sorted(entities.values(), key=lambda entity: entity.line)
        self.groups = {header: list(self.grouped(entity for entity in self.entities
                                                 if entity.header == header)) for header in self.files}

    def grouped(self, entities):
        """Lists of neighbours that have one name; notes where to find each."""
        group, seen = [], set()
        for entity in entities:
            if group and (group[0].title != entity.title or entity.kind in KINDS):
                yield group
                group = []
            if not group:
                while entity.anchor in seen:
                    entity.anchor += "-"
                seen.add(entity.anchor)
            group.append(entity)
            self.places[entity.node.get("id")] = (entity.header, group[0].anchor)
            for value in entity.node.iterfind("enumvalue"):
                anchor = f"{entity.anchor}.{text_of(value.find('name'))}"
                self.places[value.get("id")] = (entity.header, anchor)
            entity.groups = list(self.grouped(entity.members))
        if group:
            yield group

    def inline(self, node, header):
        """A part of a sentence; a name in it leads to its place if it has one."""
        if node.tag not in ("ref", "computeroutput"):
            raise SystemExit(f"api.py: {header}: what is <{node.tag}> in Markdown?")
        text = text_of(node)
        part = f"`{text}`" if node.tag == "computeroutput" else escaped(text)
        places = [self.places.get(ref.get("refid")) for ref in node.iter("ref")]
        return f"[{part}]({self.link(places[0], header)})" if len(places) == 1 and places[0] else part

    @staticmethod
    def link(to, header):
        file, anchor = to
        return f"{'' if file == header else page_of(file.rpartition('/')[2])}#{anchor}"

    def prose(self, node, header):
        language = "c" if header.endswith(".h") else "cpp"
        parts = []
        for para in [*node.iterfind("briefdescription/para"), *node.iterfind("detaileddescription/para")]:
            text = escaped(para.text)
            for child in para:
                if child.tag == "verbatim":
                    block = textwrap.dedent(text_of(child)).strip("\n")
                    parts += [text, f"```{language}\n{block}\n```"]
                    text = ""
                elif child.tag == "itemizedlist":
                    items = ["".join([escaped(item.text)] + [self.inline(word, header) + escaped(word.tail)
                                                             for word in item]).strip()
                             for item in child.iterfind("listitem/para")]
                    parts += [text, "\n".join(f"- {item}" for item in items)]
                    text = ""
                else:
                    text += self.inline(child, header)
                text += escaped(child.tail)
            parts.append(text)
        return "\n\n".join(part.strip() for part in parts if part.strip())

    def values(self, values, header):
        """Data members and enumerators: what is declared, then what it means."""
        lines = []
        for name, node in values:
            about = self.prose(node, header).replace("\n", "\n    ")
            if about:
                lines.append(f"`#!cpp {name}`{{ #{self.places[node.get('id')][1]} }}\n:   {about}")
        return "\n\n".join(lines)

    def section(self, group, level):
        first = group[0]
        parts = [f"{'#' * level} {escaped(first.title)} {{ #{first.anchor} }}"]
        for entity in group:
            parts += [f"```cpp\n{entity.declaration()}\n```", self.prose(entity.node, entity.header)]
            values = [(text_of(value.find("name")), value) for value in entity.node.iterfind("enumvalue")]
            values += [(member.declaration(), member.node) for member in entity.members if member.is_value]
            parts.append(self.values(values, entity.header))
            parts += [self.section(group, level + 1) for group in entity.groups if not group[0].is_value]
        return "\n\n".join(part for part in parts if part)

    def page(self, header):
        name = header.removeprefix("include/")
        parts = [f"# {name.removeprefix('dlock/')}", self.prose(self.files[header], header),
                 f"```cpp\n#include <{name}>\n```"]
        return "\n\n".join(parts + [self.section(group, 2) for group in self.groups[header]]) + "\n"

    def overview(self):
        rows = ""
        for header in sorted(self.files):
            about = " ".join(self.prose(self.files[header], "").split())
            file = header.rpartition("/")[2]
            rows += f"| [{file}]({page_of(file)}) | {re.match(r'.*?([.] |$)', about)[0]} |\n"
        return ("# The API of C++ and C\n\n`#include <dlock/dlock.hpp>` has all of C++ but `asio.hpp` and "
                "`testing.hpp`, `#include <dlock/dlock.h>` all of C but `testing.h`.\n\n"
                f"| header | what it is |\n| --- | --- |\n{rows}")


def pages(directory):
    """The pages by name, the overview first."""
    api = Api(directory)
    return {"include/dlock/README.md": api.overview(),
            **{page_of(header): api.page(header) for header in sorted(api.files)}}
