"""The packages of npm as users get them: packed, and installed into an empty directory by npm, with no
program in the path but node and the shell that npm starts."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["DLOCK_BUILD_DIR"])
DEPENDENCIES = SOURCE / ".deps/node/node_modules"
WORK = BUILD / "npm"
sys.path[:0] = [str(SOURCE / each) for each in ("tests/support", "tests/docs", "packaging", "packaging/npm")]

import markdown  # noqa: E402
import pack  # noqa: E402
import platforms  # noqa: E402
from redis_server import RedisServer  # noqa: E402

USER = """
import { withLock, DlockError, type Lease } from 'dlock';
import { Server } from 'dlock/testing';

export async function work(): Promise<bigint> {
  const fence: bigint = await withLock('a', { ttl: 5_000 }, async (lease: Lease) => lease.fence);
  // @ts-expect-error: a ttl is a number
  await withLock('a', { ttl: '30s' }, () => 1).catch((error: DlockError) => error.code);
  new Server().close();
  return fence;
}
"""


def example():
    """The program of README.md, as a module of each kind."""
    (block,) = [each for each in markdown.document("README.md").blocks if each.language == "js"]
    begin = re.sub(r"import ({.*}) from ('.*');", r"const \1 = require(\2); (async () => {", block.text)
    return {"example.mjs": block.text, "example.cjs": begin + "})();\n"}


def install(directory, *options):
    """Installs all that WORK has into the new `directory`."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "path").mkdir(parents=True)
    (directory / "package.json").write_text('{"private": true}\n')
    for program in ("node", "sh"):
        (directory / "path" / program).symlink_to(shutil.which(program))
    npm = pathlib.Path(shutil.which("npm")).resolve()
    packages = sorted(WORK.glob("*.tgz"))
    done = subprocess.run(["node", npm, "install", "--no-audit", "--no-fund", "--prefer-offline", *options, *packages],
                          executable=shutil.which("node"), cwd=directory, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={**os.environ, "PATH": str(directory / "path")})
    if done.returncode != 0:
        raise AssertionError(done.stdout)


class Packed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.platform = next(each for each in platforms.ALL.values() if each.is_native)
        shutil.rmtree(WORK, ignore_errors=True)
        subprocess.run([SOURCE / "scripts/package", "npm", "--platform", cls.platform.triple, "--output", WORK,
                        "--library", BUILD / "libdlock.so.1"], check=True, stdout=subprocess.DEVNULL)
        cls.project = WORK / "project"
        install(cls.project)

    def run_node(self, *arguments, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DLOCK_")}
        return subprocess.run([shutil.which("node"), *map(str, arguments)], cwd=self.project, text=True, timeout=120,
                              env={**kept, "PATH": str(self.project / "path"), **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def test_npm_installs_the_library_of_this_platform_and_no_other(self):
        installed = [path.name for path in (self.project / "node_modules").glob(f"{pack.settings()['name']}*")]
        self.assertEqual(sorted(installed), [pack.settings()["name"], pack.name_for(self.platform)])

    def test_the_example_of_the_readme_runs_as_a_module_of_both_kinds(self):
        with RedisServer() as server:
            for name, text in example().items():
                (self.project / name).write_text(text)
                done = self.run_node(name, DLOCK_URL=server.url)
                self.assertEqual((done.returncode, done.stdout), (0, "abcd"))

    def test_its_types_are_right_in_modules_of_both_kinds(self):
        shutil.copytree(DEPENDENCIES / "@types", self.project / "node_modules/@types", dirs_exist_ok=True)
        shutil.copytree(DEPENDENCIES / "undici-types", self.project / "node_modules/undici-types", dirs_exist_ok=True)
        for name in ("user.mts", "user.cts"):
            (self.project / name).write_text(USER)
        for module in ("node16", "nodenext"):
            done = self.run_node(DEPENDENCIES / "typescript/bin/tsc", "--noEmit", "--strict", "--module", module,
                                 "--target", "es2022", "--lib", "es2022,esnext.disposable", "user.mts", "user.cts")
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_without_the_library_its_error_says_what_to_do(self):
        library = self.project / "node_modules" / pack.name_for(self.platform)
        library.rename(library.with_name("aside"))
        self.addCleanup(library.with_name("aside").rename, library)
        done = self.run_node("-e", "require('dlock')")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(pack.name_for(self.platform), done.stdout)
        self.assertIn("DLOCK_LIBRARY", done.stdout)

    def test_packages_have_their_licenses_and_nothing_of_the_development(self):
        package = (self.project / "node_modules/dlock/package.json").read_text()
        self.assertNotIn("devDependencies", package)
        for each in ("dlock/LICENSE", "dlock/README.md", f"{pack.name_for(self.platform)}/copyright"):
            self.assertTrue((self.project / "node_modules" / each).is_file(), each)


if __name__ == "__main__":
    if not shutil.which("npm"):
        print("skipped: npm is not installed")
        sys.exit(77)
    unittest.main()
