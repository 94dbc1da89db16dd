"""What the shared library shows: of C exactly what libdlock.symbols lists, of C++ what is public."""

import os
import pathlib
import re
import subprocess
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
LIBRARY = BUILD / "libdlock.so.1"
# Public headers call these functions of the library's own classes.
INSIDE = re.compile(
    r"dlock::(detail|core|local_server|redis|runtime|script|c)::(?!end_once|throw_release_error|Visitor::)")


def output_of(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def shown():
    """The symbols as NAME@VERSION, demangled."""
    lines = output_of("nm", "-DC", "--defined-only", LIBRARY).splitlines()
    symbols = [re.match(r"\S+ (\w) (.*)", line) for line in lines]
    return {found.group(2).replace("@@", "@") for found in symbols if found.group(1) != "A"}


class Abi(unittest.TestCase):
    maxDiff = None

    def test_c_has_what_was_released_and_the_header_declares(self):
        listed = (SOURCE / "tests/static/libdlock.symbols").read_text().split("\n")
        listed = {line for line in listed if line and line[0] != "#"}
        self.assertEqual({symbol for symbol in shown() if "@DLOCK_CXX_" not in symbol}, listed)
        headers = "".join(header.read_text() for header in (SOURCE / "include/dlock").glob("*.h"))
        declared = set(re.findall(r"\b(dlock_\w+)\(", re.sub(r"/\*.*?\*/", "", headers, flags=re.S)))
        self.assertEqual({symbol.split("@")[0] for symbol in listed}, declared | {"napi_register_module_v1"})

    def test_cpp_has_what_is_public_and_nothing_else(self):
        symbols = {symbol.split("@")[0] for symbol in shown() if "@DLOCK_CXX_" in symbol}
        for symbol in symbols:
            self.assertRegex(symbol, r"^dlock::")
            self.assertIsNone(INSIDE.match(symbol), symbol)
        # Whatever the tests of the client, which use all of it, call.
        objects = list((BUILD / "tests/CMakeFiles/test_client.dir").rglob("*_test.cpp.o"))
        self.assertTrue(objects)
        called = {line.strip()[2:] for line in output_of("nm", "-uC", *objects).splitlines()
                  if re.match(r"\s+U dlock::", line)}
        called = {symbol for symbol in called if not INSIDE.match(symbol)}
        self.assertTrue(called)
        self.assertEqual({symbol for symbol in called - symbols if "test" not in symbol}, set())

    def test_its_name_is_that_of_the_c_interface(self):
        self.assertRegex(output_of("readelf", "-d", LIBRARY), r"SONAME.*\[libdlock\.so\.1\]")


if __name__ == "__main__":
    unittest.main()
