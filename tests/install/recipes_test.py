"""The Conan recipe and the vcpkg port, as far as that goes without their servers: nothing is built.

Conan itself reads the recipe and works out the graph, with the libraries it needs given as the
system's. The port runs in CMake, with stand-ins for vcpkg's functions: they configure the project
with the port's options, and have this build installed where vcpkg would have its own.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
VERSION = re.search(r'DLOCK_VERSION "(.*)"', (SOURCE / "include/dlock/version.hpp").read_text()).group(1)

PROFILE = """\
[settings]
os=Linux
arch=x86_64
compiler=gcc
compiler.version=12
compiler.libcxx=libstdc++11
compiler.cppstd=20
build_type=Release
[platform_requires]
openssl/3.0.0
"""

VCPKG = """\
set(CURRENT_PACKAGES_DIR "${WORK}/packages")
set(CURRENT_BUILDTREES_DIR "${WORK}/buildtrees")
function(vcpkg_cmake_configure)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
    execute_process(COMMAND "${CMAKE_COMMAND}" -G Ninja -S "${arg_SOURCE_PATH}" -B "${WORK}/build"
        ${arg_OPTIONS} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_install)  # this build has the command too, which the port leaves out
    foreach(component IN ITEMS library development documents)
        execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --component ${component}
            --prefix "${CURRENT_PACKAGES_DIR}" COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
    endforeach()
endfunction()
function(vcpkg_cmake_config_fixup)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
    file(MAKE_DIRECTORY "${CURRENT_PACKAGES_DIR}/share")
    file(RENAME "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" "${CURRENT_PACKAGES_DIR}/share/dlock")
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
    configure_file("${arg_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/share/dlock/copyright" COPYONLY)
endfunction()
include("${PORT}/portfile.cmake")
"""


class Recipes(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.work = pathlib.Path(directory.name)

    def output_of(self, *command, **environment):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.work,
                                env={**os.environ, **environment})
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout + result.stderr

    def conan(self, *arguments):
        conan = shutil.which("conan", path=SOURCE / ".deps/python/bin") or shutil.which("conan")
        if conan is None:
            self.skipTest("Conan is not installed")
        (self.work / "profile").write_text(PROFILE)
        return self.output_of(conan, *arguments, CONAN_HOME=str(self.work / "conan"))

    def test_conan_finds_what_the_library_needs(self):
        found = self.conan("graph", "info", SOURCE / "packaging/conan", "-pr:a", "profile", "--no-remote")
        for label in (rf"\(dlock/{re.escape(VERSION)}\)", "openssl/3.0.0"):
            self.assertRegex(found, f"label: .*{label}")

    def test_conan_takes_the_sources_and_nothing_that_was_built(self):
        self.conan("export", SOURCE / "packaging/conan")
        (version,) = (self.work / "conan").rglob("es/include/dlock/version.hpp")
        exported = version.parents[2]
        self.assertTrue((exported / "CMakeLists.txt").is_file())
        self.assertEqual({path.name for path in exported.iterdir()},
                         {"CMakeLists.txt", "LICENSE", "cmake", "include", "src"})

    def test_the_port_configures_and_lays_out_the_library(self):
        port = SOURCE / "packaging/vcpkg/ports/dlock"
        (self.work / "vcpkg.cmake").write_text(VCPKG)
        said = self.output_of("cmake", f"-DWORK={self.work}", f"-DPORT={port}", f"-DBUILD={BUILD}",
                              "-P", "vcpkg.cmake")
        self.assertNotIn("not used by the project", said)
        share = self.work / "packages/share"
        self.assertTrue((share / "dlock/dlockConfig.cmake").is_file())
        self.assertTrue((share / "dlock/copyright").is_file())
        self.assertFalse((share / "doc").exists())

    def test_the_port_says_what_it_is(self):
        manifest = json.loads((SOURCE / "packaging/vcpkg/ports/dlock/vcpkg.json").read_text())
        self.assertEqual((manifest["name"], manifest["version"]), ("dlock", VERSION))
        self.assertEqual((manifest["license"], manifest["supports"]), ("Apache-2.0", "linux"))
        needed = {need if isinstance(need, str) else need["name"] for need in manifest["dependencies"]}
        self.assertEqual(needed, {"openssl", "vcpkg-cmake", "vcpkg-cmake-config"})


if __name__ == "__main__":
    unittest.main()
