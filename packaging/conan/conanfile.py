"""The Conan recipe of the library, static or shared: conan create packaging/conan"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rm, rmdir

required_conan_version = ">=2.0"


class Dlock(ConanFile):
    name = "dlock"
    description = "A distributed lock on Redis"
    license = "Apache-2.0"
    topics = ("redis", "lock", "mutex", "distributed")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False, "openssl/*:shared": True}

    @property
    def _project(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._project, "include", "dlock", "version.hpp"))
        self.version = re.search(r'DLOCK_VERSION "([0-9.]+)"', header).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, self._project, self.export_sources_folder)

    def requirements(self):
        # Its headers only: the shared library is loaded when a URL says rediss:.
        self.requires("openssl/[>=3 <4]", libs=False, run=True)

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("dlock is for Linux")

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "CLI", "EXAMPLES"):
            toolchain.cache_variables[f"DLOCK_BUILD_{part}"] = False
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        libraries = os.path.join(self.package_folder, "lib")
        rm(self, "*.a" if self.options.shared else "*.so*", libraries)
        for directory in ("lib/cmake", "lib/pkgconfig", "share"):  # Conan makes its own of these
            rmdir(self, os.path.join(self.package_folder, directory))

    def package_info(self):
        self.cpp_info.libs = ["dlock"]
        self.cpp_info.requires = ["openssl::ssl"]
        self.cpp_info.system_libs = ["pthread"] if self.options.shared else ["pthread", "dl"]
