"""Every code block of the documentation does what it says, against a real server.

language  marker        what is done
cpp                     a complete program: compiled as it is and run
c                       the same, in C11, with the shared library
cpp       wrap          statements: compiled into a function that has a `client`, and run
cpp       quote FILE    stands in FILE, word for word
python                  a complete program: run as it is, `Redis()` being the test's server
python    check         compiled
js                      a module of Node.js: run as it is
sh                      run, with the built command in the path
sh        exit N        run, ends with status N
sh        check         its programs, scripts and options exist; for what installs or takes long
console                 run, and the output compared: numbers match numbers, ... matches anything;
                        this host is called host1
console   run FILE      the same, after compiling the example FILE
cmake     project       the project that builds README's first program
conf                    a server takes it as its configuration
sql                     run by SQLite; `-- N rows` behind a statement is what it changes
text                    not code; nothing is done
text      config        a configuration of the command; tests/cli/config_test.py reads it

Anything else fails.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
COMMAND = pathlib.Path(os.environ["DLOCK_BIN"])
sys.path[:0] = [str(SOURCE / each) for each in ("tests/support", "tests/docs", "packaging")]

import markdown  # noqa: E402
import platforms  # noqa: E402
from redis_server import RedisServer  # noqa: E402

RUN_LIMIT = 60  # seconds for one block
NUMBER = r"\d+(\.\d+)?"

FRAGMENTS_HEAD = """\
#include <chrono>
#include <cstdlib>
#include <dlock/dlock.hpp>
#include <dlock/testing.hpp>
#include <iostream>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>
using namespace std::chrono_literals;
"""

FRAGMENTS_TAIL = """\
int main(int, char** argv) {
  dlock::Client client;
  try {
    fragments[std::atoi(argv[1])](client);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\\n';
    return 1;
  }
}
"""


def cache_entry(name):
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def kind_of(block):
    return " ".join([block.language, *block.marker[:1]])


class Programs:
    """All C++ of the documentation, built in one project against the installed package."""

    def __init__(self, documents):
        self.directory = BUILD / "docs-test"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir()
        self.programs = {}  # place of the block -> command
        self.cmake = ["cmake_minimum_required(VERSION 3.25)", "project(docs LANGUAGES C CXX)",
                      "find_package(dlock REQUIRED)"]
        blocks = [block for document in documents for block in document.blocks]
        self._add_programs([b for b in blocks if kind_of(b) == "cpp"])
        self._add_c_programs([b for b in blocks if kind_of(b) == "c"])
        self._add_fragments([b for b in blocks if kind_of(b) == "cpp wrap"])
        self._add_examples([b for b in blocks if kind_of(b) == "console run"])
        self._add_project([b for b in blocks if kind_of(b) == "cmake project"])

    def _add_executable(self, name, source, options=""):
        self.cmake += [f"add_executable({name} {source})",
                       f"target_link_libraries({name} PRIVATE dlock::dlock)",
                       f"target_compile_options({name} PRIVATE -Wall -Wextra -Werror {options})"]

    def _add_programs(self, blocks):
        for number, block in enumerate(blocks):
            name = f"program_{number}"
            (self.directory / f"{name}.cpp").write_text(f'#line {block.line + 1} "{block.path}"\n'
                                                        + block.text)
            self._add_executable(name, f"{name}.cpp")
            self.programs[block.place] = [self.directory / "build" / name]

    def _add_c_programs(self, blocks):
        for number, block in enumerate(blocks):
            name = f"c_program_{number}"
            (self.directory / f"{name}.c").write_text(f'#line {block.line + 1} "{block.path}"\n'
                                                      + block.text)
            self.cmake += [f"add_executable({name} {name}.c)",
                           f"set_target_properties({name} PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF)",
                           f"target_link_libraries({name} PRIVATE dlock::shared)",
                           f"target_compile_options({name} PRIVATE -Wall -Wextra -Wpedantic -Werror)"]
            self.programs[block.place] = [self.directory / "build" / name]

    def _add_fragments(self, blocks):
        text = FRAGMENTS_HEAD
        for number, block in enumerate(blocks):
            text += (f"static void fragment_{number}([[maybe_unused]] dlock::Client& client) {{\n"
                     f'#line {block.line + 1} "{block.path}"\n{block.text}}}\n')
            self.programs[block.place] = [self.directory / "build/fragments", str(number)]
        names = ", ".join(f"fragment_{number}" for number in range(len(blocks)))
        text += f"static void (*const fragments[])(dlock::Client&) = {{{names}}};\n"
        (self.directory / "fragments.cpp").write_text(text + FRAGMENTS_TAIL)
        self._add_executable("fragments", "fragments.cpp", "-Wno-unused")

    def _add_examples(self, blocks):
        paths = {(block.path.parent / block.marker[1]).resolve() for block in blocks}
        for path in sorted(paths):
            self._add_executable(path.stem, path)

    def _add_project(self, blocks):
        for number, block in enumerate(blocks):
            directory = self.directory / f"project_{number}"
            directory.mkdir()
            (directory / "CMakeLists.txt").write_text(block.text)
            shutil.copy(self.directory / "program_0.cpp", directory / "main.cpp")
            self.cmake.append(f"add_subdirectory(project_{number})")

    def build(self):
        (self.directory / "CMakeLists.txt").write_text("\n".join(self.cmake) + "\n")
        sanitizers = cache_entry("DLOCK_SANITIZE").replace(";", ",")
        flags = f"-O0 -fsanitize={sanitizers}" if sanitizers else "-O0"
        prefix = self.directory / "prefix"
        compiler = cache_entry("CMAKE_CXX_COMPILER")
        options = {"CMAKE_PREFIX_PATH": prefix, "CMAKE_CXX_COMPILER": compiler,
                   "CMAKE_CXX_FLAGS": flags, "CMAKE_C_FLAGS": flags}
        if launcher := shutil.which("ccache"):
            options["CMAKE_CXX_COMPILER_LAUNCHER"] = launcher
        for step in (["cmake", "--install", BUILD, "--prefix", prefix],
                     ["cmake", "-G", "Ninja", "-S", self.directory, "-B", self.directory / "build",
                      *(f"-D{name}={value}" for name, value in options.items())],
                     ["cmake", "--build", self.directory / "build"]):
            done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise AssertionError(f"{shlex.join(map(str, step))}:\n{done.stdout}")


class Shell:
    """Runs blocks as a user would, in an empty directory, with a server and a home of their own."""

    def __init__(self, server, programs):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="dlock-docs-"))
        self.work = self.root / "work"
        self.local = self.root / "home/.local/state/dlock"
        for path in (self.work / "data", self.local):
            path.mkdir(parents=True)
        self.local.chmod(0o700)
        (self.work / "data/file").write_text("something to work on\n")
        path = [COMMAND.parent, programs.directory / "build", os.environ["PATH"]]
        self.environment = {**os.environ, "PATH": os.pathsep.join(map(str, path)),
                            "DLOCK_URL": server.url, "HOME": str(self.root / "home"),
                            "DLOCK_LOCAL_DIR": str(self.local)}

    def run(self, command):
        return subprocess.run(command, cwd=self.work, env=self.environment, timeout=RUN_LIMIT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)

    def close(self):
        """Ends the private server, if a block started one."""
        path = self.local / "redis.sock"
        if path.exists():
            self.run(["redis-cli", "-s", path, "SHUTDOWN", "NOSAVE"])
        shutil.rmtree(self.root)


def matches(expected, got):
    """Whether output is as printed in a document: any number for a number, anything for `...`."""
    pattern = re.escape(expected.strip())
    pattern = re.sub(r"\d+(\\\.\d+)?(\\ m?s\b)?",
                     lambda found: NUMBER + (r"\ m?s" if found.group(2) else ""), pattern)
    pattern = pattern.replace(r"\.\.\.", ".*?")
    pattern = re.sub(r"(\\ )+", r"\\s+", pattern)
    return re.fullmatch(pattern, got.strip(), re.DOTALL) is not None


class Snippets(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.documents = markdown.documents()
        cls.server = RedisServer()
        cls.addClassCleanup(cls.server.close)
        cls.programs = Programs(cls.documents)
        cls.programs.build()
        cls.shell = Shell(cls.server, cls.programs)
        cls.addClassCleanup(cls.shell.close)

    def blocks(self, *kinds):
        found = [b for document in self.documents for b in document.blocks if kind_of(b) in kinds]
        self.assertTrue(found, f"no document has a block of kind {kinds}")
        return found

    def assert_ran(self, done, status=0):
        self.assertEqual(done.returncode, status, f"output:\n{done.stdout}")

    def test_every_block_is_of_a_kind_that_is_tested(self):
        known = {"c", "cpp", "cpp wrap", "js", "cpp quote", "python", "python check", "sh", "sh exit",
                 "sh check", "console", "console run", "cmake project", "conf", "sql", "text", "text config",
                 "text rights"}
        for document in self.documents:
            for block in document.blocks:
                self.assertIn(kind_of(block), known, block.place)

    def test_programs_and_fragments_run(self):
        for block in self.blocks("c", "cpp", "cpp wrap"):
            with self.subTest(block.place):
                self.server.command("FLUSHALL")
                self.assert_ran(self.shell.run(self.programs.programs[block.place]))

    def test_python_programs_run(self):
        if cache_entry("DLOCK_SANITIZE"):
            self.skipTest("the Python package is not built with sanitizers")
        python = pathlib.Path(cache_entry("DLOCK_DEPS_DIR"), "python/bin/python")
        run_on_port = SOURCE / "tests/python/run_on_port.py"
        site = f"PYTHONPATH={BUILD}/python/site"
        for block in self.blocks("python"):
            with self.subTest(block.place):
                self.server.command("FLUSHALL")
                program = self.shell.work / "program.py"
                program.write_text(block.text)
                self.assert_ran(self.shell.run(["env", site, python, "-W", "error", run_on_port,
                                                str(self.server.port), program]))

    def test_python_programs_that_are_only_checked_compile(self):
        for block in self.blocks("python check"):
            compile(block.text, block.place, "exec")

    def test_node_programs_run(self):
        if cache_entry("DLOCK_SANITIZE"):
            self.skipTest("node does not load a library built with sanitizers")
        if not shutil.which("node"):
            self.skipTest("node is not installed")
        library = f"DLOCK_LIBRARY={BUILD}/libdlock.so.1"
        for block in self.blocks("js"):
            with self.subTest(block.place):
                self.server.command("FLUSHALL")
                program = BUILD / "node/program.mjs"  # beside the package, where it is found
                program.write_text(block.text)
                self.assert_ran(self.shell.run(["env", library, "node", program]))

    def test_quotations_stand_in_their_file(self):
        for block in self.blocks("cpp quote"):
            with self.subTest(block.place):
                path = block.path.parent / block.marker[1]
                self.assertIn(block.text, path.read_text())

    def test_shell_blocks_run(self):
        for block in self.blocks("sh", "sh exit"):
            with self.subTest(block.place):
                status = int(block.marker[1]) if block.marker else 0
                options = "-uo" if status else "-euo"
                done = self.shell.run(["bash", options, "pipefail", "-c", block.text])
                self.assert_ran(done, status)

    def test_consoles_show_what_is_printed(self):
        for block in self.blocks("console", "console run"):
            with self.subTest(block.place):
                for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                    command, _, expected = step.partition("\n")
                    done = self.shell.run(["bash", "-uo", "pipefail", "-c", command])
                    got = done.stdout.replace(f"{socket.gethostname()}:", "host1:")
                    self.assertTrue(matches(expected, got),
                                    f"{command}\nis said to print:\n{expected}\n"
                                    f"prints:\n{done.stdout}")

    def test_commands_that_are_only_checked_exist(self):
        for block in self.blocks("sh check"):
            with self.subTest(block.place):
                for line in block.text.replace("\\\n", "").splitlines():
                    self.check_command(shlex.split(line, comments=True))

    def check_command(self, words):
        if not words:
            return
        program, *arguments = words[:words.index("--")] if "--" in words else words
        script = SOURCE / program
        if program in ("apt-get", "docker", "npm", "tar"):
            self.check_packages(arguments)
            return
        if program == "pip":
            self.assertEqual(arguments[0], "install")
            if arguments[1] == "--find-links":
                self.assertRegex(arguments[3], r"^distributed-lock(\[local\])?==\d+\.\d+\.\d+$")
            else:
                self.assertTrue((SOURCE / arguments[1] / "pyproject.toml").is_file())
            return
        if program == "cpack":
            self.assertRegex(arguments[1], r"^build/\w+/CPackConfig\.cmake$")
            self.assert_preset(arguments[1].split("/")[1])
            return
        if not script.is_file():
            self.assertEqual(program, "cmake", "neither a script of the project nor cmake")
            self.check_cmake(arguments)
            return
        self.assertTrue(os.access(script, os.X_OK), f"{program} is not executable")
        done = subprocess.run([script, "--help"], stdout=subprocess.PIPE, text=True, check=True)
        for argument in arguments:
            if argument.startswith("-"):
                self.assertRegex(done.stdout, rf"(?<![\w-]){re.escape(argument)}(?![\w-])", program)
        if "--preset" in arguments:
            self.assert_preset(arguments[arguments.index("--preset") + 1])

    def check_packages(self, arguments):
        """Names of packages are those that scripts/package gives them; files are there."""
        name = json.loads((SOURCE / "node/package.json").read_text())["name"]
        version = json.loads((SOURCE / "node/package.json").read_text())["version"]
        triples = "|".join(platforms.ALL)
        npm = "|".join(each.npm for each in platforms.ALL.values())
        made = [rf"\./dlock_{version}-1_(amd64|arm64)\.deb", rf"dlock-{version}-({triples})\.tar\.gz",
                rf"\./{name}(-({npm}))?-{version}\.tgz"]
        for argument in arguments:
            if re.search(r"\.(deb|gz|tgz)$", argument):
                self.assertRegex(argument, rf"\A({'|'.join(made)})\Z")
            elif "/" in argument and not argument.startswith("~"):
                self.assertTrue((SOURCE / argument).exists(), argument)

    def check_cmake(self, arguments):
        if "--preset" in arguments:
            self.assert_preset(arguments[arguments.index("--preset") + 1])
        for argument in arguments:
            if found := re.match(r"(?:-D)?(DLOCK_\w+)=", argument):
                files = [SOURCE / "CMakeLists.txt", *(SOURCE / "cmake").glob("*.cmake")]
                options = "".join(file.read_text() for file in files)
                self.assertRegex(options, rf"\b{found.group(1)}\b")

    def assert_preset(self, name):
        presets = json.loads((SOURCE / "CMakePresets.json").read_text())
        self.assertIn(name, [preset["name"] for preset in presets["buildPresets"]])

    def test_the_projects_programs_run(self):
        for number, _ in enumerate(self.blocks("cmake project")):
            directory = self.programs.directory / f"build/project_{number}"
            programs = [f for f in directory.iterdir() if f.is_file() and os.access(f, os.X_OK)]
            self.assertEqual(len(programs), 1)
            self.assert_ran(self.shell.run([programs[0]]))

    def test_a_server_takes_the_configurations(self):
        for block in self.blocks("conf"):
            with self.subTest(block.place):
                lines = [line for line in block.text.splitlines() if line and line[0] != "#"]
                with RedisServer(*lines) as server:
                    for line in lines:
                        name, value = line.split(maxsplit=1)
                        got = server.command("CONFIG", "GET", name)[1].decode()
                        self.assertIn(value, got)

    def test_sql_changes_the_rows_it_says(self):
        for block in self.blocks("sql"):
            with self.subTest(block.place):
                with sqlite3.connect(":memory:") as database:
                    for line in block.text.splitlines():
                        changed = database.execute(line).rowcount
                        if rows := re.search(r"-- (\d+) rows?\b", line):
                            self.assertEqual(changed, int(rows.group(1)), line)


if __name__ == "__main__":
    unittest.main()
