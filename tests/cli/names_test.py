"""Lock names are bytes: any of them work, up to what fits into the environment."""

import base64
import json
import os
import unittest

from cli_case import CliCase, clean_environment

LONGEST = 32 * os.sysconf("SC_PAGESIZE") - len("DLOCK_NAME=") - 1

NAMES = [
    b"two words", b" ", b"{tag}", b"{", b"}", b"{}x", b"a}b{c", b"line\nbreak", b"\n", b"tab\tand\rreturn",
    b"'single' \"double\" `back`", b"$HOME $(id) \\n", b"*?[a-z]", b"-n", b"=", b"a=b", b"a:b:c", b"dlock:fence",
    "käse 鎖 🔒".encode(), b"\xff\xfe\x80", b"caf\xe9", b"\x1b[31mred\x1b[0m", b"\x7f\x01", b"a" * 5000, b"%s%n{0}",
]


class Names(CliCase):
    def test_any_name_excludes_is_exported_is_the_key_and_wakes_waiters(self):
        for name in NAMES:
            with self.subTest(name=name[:40]):
                holder = self.start("run", "--", name, "--", "sh", "-c",
                                    'printf %s "$DLOCK_NAME" | od -An -v -tx1 | tr -d " \\n"; echo; '
                                    'echo ready; cat')
                holder.expect("ready")
                self.assertEqual(holder.stdout.split("\n")[0], name.hex())
                self.assertEqual(self.server.command("EXISTS", name), 1)
                waiter = self.start("run", "-v", "--", name, "echo", "mine")
                waiter.expect_error("waiting for")
                self.assertEqual(self.dlock("run", "-n", "--", name, "true").returncode, 75)
                holder.close_stdin()
                self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "mine\n"))
                self.assertNotIn("\x1b", waiter.stderr)
                for line in waiter.stderr.splitlines():
                    self.assertRegex(line, r"\Adlock: ")
                    self.assertLess(len(line), 250)
                self.assertEqual(self.server.command("EXISTS", name), 0)

    def test_json_gives_any_name_back(self):
        for name in NAMES:
            with self.subTest(name=name[:40]):
                info = json.loads(self.dlock("info", "--json", "--", name).stdout)
                try:
                    self.assertEqual(info["name"], name.decode())
                    self.assertNotIn("name_base64", info)
                except UnicodeDecodeError:
                    self.assertIn("\ufffd", info["name"])
                    self.assertEqual(base64.b64decode(info["name_base64"]), name)

    def test_tables_show_control_characters_escaped(self):
        for name, shown in [(b"line\nbreak", "line\\nbreak"), (b"\x1b[31mred", "\\x1b[31mred"),
                            (b"back\\slash", "back\\\\slash"), (b"caf\xe9", "caf\\xe9"),
                            ("\u202egnp.exe \u009b".encode(), "\\u202egnp.exe \\u009b")]:
            holder = self.start("run", "--", name, "sh", "-c", "echo ready; cat")
            holder.expect("ready")
            for arguments in (["ls"], ["info", "--", name]):
                output = self.dlock(*arguments).stdout.decode()
                self.assertIn(shown, output)
                self.assertFalse([c for c in output if not c.isprintable() and c != "\n"])
            holder.close_stdin()
            self.assertEqual(holder.wait(), 0)

    def test_the_longest_name_works_and_one_byte_more_is_refused(self):
        # The environment of the test itself counts against the same limit of all strings together.
        environment = clean_environment(DLOCK_URL=self.server.url)
        name = "n" * LONGEST
        result = self.dlock("run", name, "--", "sh", "-c", 'echo ${#DLOCK_NAME}', env=environment)
        self.assertEqual((result.returncode, result.stdout), (0, f"{LONGEST}\n".encode()), result.stderr)
        result = self.dlock("run", name + "n", "--", "true", env=environment)
        self.assertEqual(result.returncode, 64)
        self.assertIn(f"at most {LONGEST}", self.assert_one_message(result.stderr))

    def test_long_names_are_shortened_in_messages_and_tables(self):
        name = "ä" * 3000
        holder = self.hold(name)
        result = self.dlock("run", "-nv", name, "true")
        self.assertLess(len(result.stderr.decode().splitlines()[-1]), 250)
        self.assertLess(max(map(len, self.dlock("ls").stdout.decode().splitlines())), 250)
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_the_librarys_own_keys_are_refused(self):
        result = self.dlock("run", "dlock1:fence", "true")
        self.assertEqual(result.returncode, 64)
        self.assertIn("dlock1:", self.assert_one_message(result.stderr))

    def test_the_empty_name_is_refused(self):
        for arguments in (["run", "", "true"], ["info", ""], ["break", "", "--fence", "1"]):
            result = self.dlock(*arguments)
            self.assertEqual(result.returncode, 64)
            self.assertIn("unset", self.assert_one_message(result.stderr))


if __name__ == "__main__":
    unittest.main()
