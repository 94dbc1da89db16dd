"""Prints the bill of materials of a release, as CycloneDX JSON: each file of the directory that the
first argument names, with its digest, and which libraries are compiled into it or installed with it.

Versions come from the headers that scripts/package compiled with, and from the lists of packages.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
HTTPLIB = SOURCE / "build/package/httplib"
HEADERS = pathlib.Path("/usr/include")


def search(path, pattern):
    found = re.search(pattern, path.read_text())
    if not found:
        raise LookupError(f"{path} has no {pattern}")
    return found.group(1)


def library(name, version, license_, purl):
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "licenses": [{"expression": license_}]}


def github(owner, name, version, license_):
    return library(name, version, license_, f"pkg:github/{owner}/{name}@{version}")


def libraries():
    """By a short name, what is in files of a release."""
    fmt = int(search(HEADERS / "fmt/core.h", r"FMT_VERSION (\d+)"))
    zig = search(SOURCE / "packaging/requirements.txt", r"(?m)^ziglang==(\S+)")
    nanobind = search(SOURCE / "python/pyproject.toml", r"nanobind==([\d.]+)")
    koffi = search(SOURCE / "node/package-lock.json", r'"node_modules/koffi": {\s*"version": "([\d.]+)"')
    return {
        "fmt": github("fmtlib", "fmt", f"{fmt // 10000}.{fmt // 100 % 100}.{fmt % 100}", "MIT"),
        "CLI11": github("CLIUtils", "CLI11", search(HEADERS / "CLI/Version.hpp", r'CLI11_VERSION "([\d.]+)"'),
                        "BSD-3-Clause"),
        "cpp-httplib": github("yhirose", "cpp-httplib", "v" + search(
            next(HTTPLIB.glob("cpp-httplib-*/httplib.h")), r'CPPHTTPLIB_VERSION "([\d.]+)"'), "MIT"),
        "libc++": library("libc++", f"of zig {zig}", "Apache-2.0 WITH LLVM-exception", f"pkg:pypi/ziglang@{zig}"),
        "nanobind": library("nanobind", nanobind, "BSD-3-Clause", f"pkg:pypi/nanobind@{nanobind}"),
        "koffi": library("koffi", koffi, "MIT", f"pkg:npm/koffi@{koffi}"),
    }


def names_in(file):
    """The short names of what is in that file, or comes with it."""
    if file.endswith(".whl"):
        return ["libc++", "nanobind"]
    if file.startswith("dlock-") and file.endswith(".tar.gz") or file.startswith("dlock_"):
        return ["fmt", "CLI11", "cpp-httplib", "libc++"]
    if file.endswith(".tgz"):
        return ["libc++"] if "-linux-" in file else ["koffi"]
    return []


def bill(directory, version, date):
    known = libraries()
    root = f"pkg:generic/dlock@{version}"
    files = sorted(path for path in directory.iterdir() if path.is_file())
    components = [{"type": "file", "bom-ref": path.name, "name": path.name, "version": version, "hashes": [
        {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]} for path in files]
    dependencies = [{"ref": root, "dependsOn": [path.name for path in files]}]
    dependencies += [{"ref": path.name, "dependsOn": [known[name]["bom-ref"] for name in names_in(path.name)]}
                     for path in files]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "timestamp": date,
            "component": {"type": "application", "bom-ref": root, "name": "dlock", "version": version,
                          "licenses": [{"expression": "Apache-2.0"}]},
        },
        "components": [*known.values(), *components],
        "dependencies": dependencies,
    }


def main():
    directory = pathlib.Path(sys.argv[1])
    version = search(SOURCE / "include/dlock/version.hpp", r'DLOCK_VERSION "([\d.]+)"')
    date = subprocess.check_output(["git", "log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"],
                                   cwd=SOURCE, text=True, env={**os.environ, "TZ": "UTC"}).strip()
    json.dump(bill(directory, version, date), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
