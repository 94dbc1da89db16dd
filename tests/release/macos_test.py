"""How far the library is from macOS: zig compiles src/core and src/runtime for it, and docs/install.md
lists what of that does not compile."""

import concurrent.futures
import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
COMPILER = [SOURCE / ".deps/release/bin/python", "-m", "ziglang", "c++", "-target", "aarch64-macos", "-std=c++20",
            f"-I{SOURCE}/src", f"-I{SOURCE}/include", "-c", "-o"]


class MacOs(unittest.TestCase):
    def compiled(self, units):
        """What the compiler says of each that it refuses; `units` are lists of files by name, which it sees
        together."""
        with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(2) as pool:

            def compiled(name):
                program = pathlib.Path(directory, f"{name}.cpp")
                program.write_text("".join(f'#include "{path.relative_to(SOURCE / "src")}"\n' for path in units[name]))
                done = subprocess.run([*COMPILER, program.with_suffix(".o"), program], stderr=subprocess.PIPE, text=True)
                return done.returncode and done.stderr

            said = dict(zip(units, pool.map(compiled, units)))
        return {name: errors for name, errors in said.items() if errors}

    def test_the_core_compiles(self):
        rooms = {room.name: sorted(room.glob("*.cpp")) for room in (SOURCE / "src/core").iterdir()}
        self.assertGreater(sum(map(len, rooms.values())), 20)
        self.assertEqual(self.compiled(rooms), {})

    def test_of_the_runtime_all_compiles_but_what_the_documentation_lists(self):
        files = {path.stem: [path] for suffix in ("hpp", "cpp") for path in (SOURCE / "src/runtime").glob(f"*.{suffix}")}
        section = (SOURCE / "docs/install.md").read_text().partition("\n## macOS\n")[2].partition("\n## ")[0]
        cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        listed = {name for cell in cells for name in cell.split("`")[1::2]}
        said = self.compiled(files)
        self.assertEqual(set(said), listed, said)


if __name__ == "__main__":
    unittest.main()
