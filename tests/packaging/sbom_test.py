"""The bill of materials of a release."""

import hashlib
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "packaging"))

import sbom  # noqa: E402

FILES = {
    "dlock-0.1.0-x86_64-linux-musl.tar.gz": {"fmt", "CLI11", "cpp-httplib", "libc++"},
    "dlock_0.1.0-1_arm64.deb": {"fmt", "CLI11", "cpp-httplib", "libc++"},
    "libdlock1_0.1.0-1_amd64.deb": set(),
    "dlock-0.1.0.tgz": {"koffi"},
    "dlock-linux-x64-gnu-0.1.0.tgz": {"libc++"},
    "distributed_lock-0.1.0-cp310-abi3-manylinux_2_28_x86_64.whl": {"libc++", "nanobind"},
    "distributed_lock-0.1.0.tar.gz": set(),
}


class BillOfMaterials(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        source = self.directory / "httplib/cpp-httplib-1"
        source.mkdir(parents=True)
        (source / "httplib.h").write_text('#define CPPHTTPLIB_VERSION "1.2.3"\n')
        (self.directory / "dist").mkdir()
        for name in FILES:
            (self.directory / "dist" / name).write_text(name)
        with mock.patch.object(sbom, "HTTPLIB", self.directory / "httplib"):
            self.bill = json.loads(json.dumps(sbom.bill(self.directory / "dist", "0.1.0", "2026-01-01T00:00:00Z")))

    def test_it_has_the_digest_of_each_file(self):
        found = {each["name"]: each["hashes"][0]["content"] for each in self.bill["components"] if "hashes" in each}
        self.assertEqual(found, {name: hashlib.sha256(name.encode()).hexdigest() for name in FILES})

    def test_it_says_what_is_in_each_file(self):
        names = {each["bom-ref"]: each["name"] for each in self.bill["components"]}
        found = {each["ref"]: {names[ref] for ref in each["dependsOn"]} for each in self.bill["dependencies"]}
        self.assertEqual({name: found[name] for name in FILES}, FILES)
        root = self.bill["metadata"]["component"]["bom-ref"]
        self.assertEqual(found[root], set(FILES))

    def test_libraries_have_versions_and_licenses(self):
        for each in self.bill["components"]:
            if each["type"] == "library":
                self.assertRegex(each["version"], r"\d+\.\d+", each["name"])
                self.assertTrue(each["licenses"][0]["expression"], each["name"])


if __name__ == "__main__":
    unittest.main()
