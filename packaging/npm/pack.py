"""Packs the packages of npm: that of node/, and for each platform one with the C library, on which it
depends optionally, so that npm installs the one that fits.

The name is that in node/package.json; those of the libraries begin with it.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
NODE = SOURCE / "node"
LIBRARY = "libdlock.so.1"


def settings():
    return json.loads((NODE / "package.json").read_text())


def name_for(platform):
    return f"{settings()['name']}-{platform.npm}"


def _pack(directory, output):
    command = ["npm", "pack", "--json", "--loglevel=error", "--pack-destination", output.resolve()]
    done = subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE)
    (packed,) = json.loads(done.stdout)
    return output / packed["filename"]


def _stage(directory, package, *files):
    (directory / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    for file in (*files, SOURCE / "LICENSE"):
        shutil.copy(file, directory)


def pack_package(platforms, output):
    """The package that programs name. Returns the tarball."""
    package = settings()
    del package["devDependencies"]
    package["optionalDependencies"] = {name_for(each): package["version"] for each in platforms}
    with tempfile.TemporaryDirectory() as directory:
        files = [NODE / "README.md", *NODE.glob("*.js"), *NODE.glob("*.d.ts")]
        _stage(pathlib.Path(directory), package, *files)
        return _pack(directory, output)


def pack_library(platform, library, output):
    """The package with `library`, a file, for that platform. Returns the tarball."""
    package = settings()
    staged = {key: package[key] for key in ("version", "license", "engines", "repository") if key in package}
    staged |= {
        "name": name_for(platform),
        "description": f"The library of {package['name']} for {platform.npm}",
        "os": ["linux"], "cpu": [platform.npm_cpu], "libc": [platform.npm_libc],
        "files": [LIBRARY, "copyright"], "preferUnplugged": True,
    }
    readme = f"# {staged['name']}\n\n{staged['description']}, which depends on it. Install that one.\n"
    with tempfile.TemporaryDirectory() as directory:
        staging = pathlib.Path(directory)
        _stage(staging, staged, SOURCE / "packaging/debian/copyright")
        (staging / "README.md").write_text(readme)
        shutil.copy(library, staging / LIBRARY)
        return _pack(staging, output)
