"""The configuration of the dlock command: which server is in force, and that nobody gets a private one
by mistake."""

import json
import os
import pathlib
import pty
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))

import markdown  # noqa: E402
from cli_case import CliCase, DLOCK, PATIENCE, eventually  # noqa: E402

SECRET = "s3cr3t-p4ss"
# Each with what it needs; all of them look for the server.
COMMANDS = (["run", "x", "true"], ["elect", "x", "true"], ["elect", "--show", "x"],
            ["latch", "--count", "1", "x"], ["barrier", "--parties", "2", "x"], ["ls"], ["top", "--once"],
            ["info", "x"], ["deadlocks"], ["doctor"], ["break", "x", "--current"],
            ["serve", "--listen", "127.0.0.1:0"], ["config"])


class ConfigCase(CliCase):
    def setUp(self):
        super().setUp()
        del self.environment["DLOCK_URL"]
        self.file = self.directory / "home/dlock/config"
        self.file.parent.mkdir(parents=True)
        self.private = self.directory / "private"
        self.environment |= {"XDG_CONFIG_HOME": str(self.file.parent.parent),
                             "DLOCK_LOCAL_DIR": str(self.private)}
        self.addCleanup(self.end_private_server)

    def end_private_server(self):
        socket = self.private / "redis.sock"
        if socket.exists():
            subprocess.run(["redis-cli", "-s", socket, "SHUTDOWN", "NOSAVE"], check=False,
                           capture_output=True)

    def write(self, *lines, mode=0o600):
        self.file.write_text("".join(f"{line}\n" for line in lines))
        self.file.chmod(mode)

    def configuration(self):
        done = self.dlock("config", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def assert_refused(self, *arguments, says=()):
        done = self.dlock(*arguments)
        self.assertEqual((done.returncode, done.stdout), (64, b""), (arguments, done.stderr))
        message = self.assert_one_message(done.stderr)
        for words in says:
            self.assertIn(words, message)
        self.assertFalse(self.private.exists(), "a private server was started")
        return message


class Files(ConfigCase):
    def test_the_file_says_the_url_prefix_ttl_and_label(self):
        self.write("# of this host", f"url = {self.server.url}", "", "prefix=app:  # ours", "ttl = 9s",
                   "  label\t=  the night's job")
        script = "echo $DLOCK_URL $DLOCK_TTL_MS; $0 info --json x"
        done = self.dlock("run", "x", "--", "sh", "-c", script, DLOCK)
        where, info = done.stdout.decode().split("\n", 1)
        self.assertEqual(where, f"{self.server.url} 9000")
        self.assertEqual(json.loads(info)["holder"]["label"], "the night's job")
        holder = self.hold("x")
        self.assertIn(b"app:x", self.keys())
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0)

    def test_options_come_first_then_the_environment_then_the_file(self):
        self.write("url = redis://127.0.0.1:1", "prefix = file:", "ttl = 9s", "label = file")
        self.assertEqual(self.dlock("run", "-w0", "x", "true").returncode, 69)
        options = ["--url", self.server.url, "--prefix", "", "--ttl", "8s", "--label", "mine"]
        script = "echo $DLOCK_TTL_MS; $0 info --json --prefix '' x"
        done = self.dlock("run", *options, "x", "--", "sh", "-c", script, DLOCK)
        ttl, info = done.stdout.decode().split("\n", 1)
        self.assertEqual((ttl, json.loads(info)["holder"]["label"]), ("8000", "mine"))
        self.environment["DLOCK_URL"] = self.server.url
        self.assertEqual(self.dlock("run", "x", "true").returncode, 0)

    def test_ttl_is_for_leases_and_not_for_runs_once_in_a_period(self):
        self.leaves_keys = True  # that keeps others out
        self.write(f"url = {self.server.url}", "ttl = 9s")
        done = self.dlock("run", "--at-least", "1s", "x", "--", "printenv", "DLOCK_TTL_MS")
        self.assertEqual(done.stdout, b"3600000\n")

    def test_a_line_that_is_wrong_is_named(self):
        wrong = {"redis://host": "a line is 'key = value'", "urll = redis://host": "no key 'urll'",
                 "URL = redis://host": "no key 'URL'", "= x": "no key ''", "url =": "the url is empty",
                 'url = "redis://host"': "without quotation marks", "ttl = soon": "soon",
                 "ttl = 0s": "longer than zero", "require_url = perhaps": "neither yes nor no",
                 "url = redis://host:port": "port", "prefix = 'a'": "without quotation marks"}
        for line, words in wrong.items():
            self.write("# the first line", line)
            for arguments in (["run", "x", "true"], ["ls"], ["config"]):
                with self.subTest(line=line, command=arguments):
                    self.assert_refused(*arguments, says=[f"{self.file}, line 2", words])

    def test_a_key_that_is_said_twice_is_refused_without_its_value(self):
        self.write(f"url = redis://:{SECRET}@a", "prefix = x", f"url = redis://:{SECRET}@b")
        message = self.assert_refused("run", "x", "true", says=[f"{self.file}, line 3", "line 1"])
        self.assertNotIn(SECRET, message)

    def test_the_file_of_the_documentation_is_one(self):
        text, = (block.text for block in markdown.document("docs/command.md").blocks
                 if block.marker == ["config"])
        self.file.write_text(text)
        shown = self.configuration()
        self.assertEqual({key: shown[key]["value"] for key in ("url", "prefix", "ttl_ms", "label",
                                                               "require_url")},
                         {"url": "redis://locks.example.com", "prefix": "shop:", "ttl_ms": 60_000,
                          "label": "nightly", "require_url": True})

    def test_help_does_not_need_the_file(self):
        self.write("nonsense")
        self.assertEqual(self.dlock("run", "--help").returncode, 0)

    def test_a_file_that_cannot_be_read_never_leads_to_a_private_server(self):
        self.file.mkdir()
        self.assert_refused("run", "x", "true", says=[str(self.file), "cannot be read", "--url"])
        self.assertEqual(self.dlock("run", "--url", self.server.url, "x", "true").returncode, 0)
        self.environment["DLOCK_URL"] = self.server.url
        self.assertEqual(self.dlock("run", "x", "true").returncode, 0)

    def test_home_is_where_the_file_is_without_xdg_config_home(self):
        home = self.directory / "ann"
        (home / ".config/dlock").mkdir(parents=True)
        (home / ".config/dlock/config").write_text(f"url = {self.server.url}\n")
        for given in ({}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "not/absolute"}):
            self.environment.pop("XDG_CONFIG_HOME", None)
            self.environment |= {"HOME": str(home), **given}
            self.assertEqual(self.configuration()["url"]["place"], f"{home}/.config/dlock/config, line 1")

    def test_the_systems_file_counts_less_than_the_users(self):
        etc = self.directory / "etc"
        (etc / "dlock").mkdir(parents=True)
        (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (etc / "dlock/config").write_text(f"url = {self.server.url}\nprefix = all:\nrequire_url = yes\n")
        self.write("prefix = mine:")
        # With /etc of its own: as root, or as root of a user namespace.
        spaces = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        view = [*spaces, "sh", "-c", f'mount --bind {etc} /etc && exec "$0" "$@"']
        if subprocess.run([*view, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("this user cannot have an /etc of its own")

        def seen():
            done = subprocess.run([*view, DLOCK, "config", "--json"], env=self.environment, check=True,
                                  capture_output=True, timeout=PATIENCE)
            found = json.loads(done.stdout)
            return {key: (found[key]["value"], found[key]["source"])
                    for key in ("url", "prefix", "require_url")}
        self.assertEqual(seen(), {"url": (self.server.url, "system"), "prefix": ("mine:", "user"),
                                  "require_url": (True, "system")})
        self.environment |= {"DLOCK_URL": "redis://other", "DLOCK_REQUIRE_URL": "0"}
        self.assertEqual(seen(), {"url": ("redis://other", "environment"),
                                  "prefix": ("mine:", "user"), "require_url": (False, "environment")})


class NoPrivateServerByMistake(ConfigCase):
    def test_an_empty_variable_is_refused_by_every_command(self):
        self.write(f"url = {self.server.url}")  # whoever set the variable meant another one
        self.environment["DLOCK_URL"] = ""
        for arguments in COMMANDS:
            with self.subTest(arguments):
                self.assert_refused(*arguments, says=["DLOCK_URL", "empty", "local:"])
        self.assertEqual(self.dlock("run", "--url", self.server.url, "x", "true").returncode, 0)

    def test_a_url_can_be_required(self):
        for variable, lines, place in (({"DLOCK_REQUIRE_URL": "1"}, [], "DLOCK_REQUIRE_URL"),
                                       ({}, ["require_url = yes"], f"{self.file}, line 1")):
            self.write(*lines)
            self.environment.pop("DLOCK_REQUIRE_URL", None)
            self.environment |= variable
            for arguments in COMMANDS[:-1]:
                with self.subTest(arguments):
                    self.assert_refused(*arguments, says=["no URL", place, "/etc/dlock/config"])
            done = self.dlock("config")
            self.assertIn("none: refused", done.stdout.decode())
            self.assertEqual(self.dlock("run", "--url", "local:", "x", "true").returncode, 0)
            self.end_private_server()
            self.assertTrue(eventually(lambda: not (self.private / "redis.sock").exists()))
            subprocess.run(["rm", "-r", self.private], check=True)

    def test_the_variable_that_requires_a_url_says_yes_or_no(self):
        for word in ("", "maybe"):
            self.environment["DLOCK_REQUIRE_URL"] = word
            self.assert_refused("run", "x", "true", says=["DLOCK_REQUIRE_URL", "neither yes nor no"])
        self.write("require_url = yes")
        self.environment["DLOCK_REQUIRE_URL"] = "no"  # comes before the file
        self.assertEqual(self.dlock("run", "x", "true").returncode, 0)

    def test_without_a_terminal_a_private_lock_is_told_once(self):
        nested = ["run", "x", "--", DLOCK, "run", "y", "--", "echo", "ran"]
        done = self.dlock(*nested)
        self.assertEqual((done.returncode, done.stdout), (0, b"ran\n"))
        message = self.assert_one_message(done.stderr)
        self.assertIn("only this user's programs on this machine see 'x'", message)
        self.assertIn("DLOCK_URL", message)
        for arguments in (["elect", "x", "true"], ["latch", "--count", "1", "--down", "l"],
                          ["barrier", "--parties", "1", "b"]):
            with self.subTest(arguments):
                self.assertIn("only this user's", self.assert_one_message(self.dlock(*arguments).stderr))

    def test_who_says_local_or_sits_before_a_terminal_is_not_told(self):
        self.assertEqual(self.dlock("run", "--url", "local:", "x", "true").stderr, b"")
        self.environment["DLOCK_URL"] = "local:"
        self.assertEqual(self.dlock("run", "x", "true").stderr, b"")
        del self.environment["DLOCK_URL"]
        self.write("url = local:")
        self.assertEqual(self.dlock("run", "x", "true").stderr, b"")
        self.write()
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        done = self.dlock("run", "x", "true", stdin=side)
        os.close(side)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_the_doctor_says_that_a_server_is_private(self):
        def found():
            report = json.loads(self.dlock("doctor", "--json", "--clock", "10ms").stdout)
            return [(f["grade"], f["what"]) for f in report["findings"] if f["subject"] == "config"]
        self.assertEqual(found(), [("note", "nothing says where the locks are, so this is a private server")])
        self.write("url = local:")
        self.assertEqual(found(), [])


class Shown(ConfigCase):
    CONFIG = (f"requirepass {SECRET}",)

    def setUp(self):
        client = type(self.server).client
        self.server.client = lambda **options: client(self.server, password=SECRET, **options)
        super().setUp()
        self.url = f"redis://:{SECRET}@127.0.0.1:{self.server.port}"

    def test_config_shows_each_setting_and_who_said_it_but_no_password(self):
        self.write(f"url = {self.url}", "ttl = 90s")
        shown = self.configuration()
        display = f"redis://127.0.0.1:{self.server.port}"
        self.assertEqual(shown["url"], {"value": display, "source": "user", "place": f"{self.file}, line 1"})
        self.assertEqual(shown["ttl_ms"],
                         {"value": 90_000, "source": "user", "place": f"{self.file}, line 2"})
        self.assertEqual(shown["prefix"], {"value": "", "source": "default", "place": None})
        self.assertEqual(shown["label"], {"value": None, "source": "default", "place": None})
        self.assertEqual(shown["require_url"], {"value": False, "source": "default", "place": None})
        self.assertEqual([(f["path"], f["problem"]) for f in shown["files"]],
                         [(str(self.file), None), ("/etc/dlock/config", None)])
        text = self.dlock("config").stdout.decode()
        self.assertRegex(text, rf"(?m)^url +{display} +{self.file}, line 1$")
        self.assertRegex(text, r"(?m)^label +the COMMAND +default$")
        self.assertNotIn(SECRET, text + json.dumps(shown))

    def test_a_nested_run_has_the_password_of_the_file(self):
        self.write(f"url = {self.url}")
        done = self.dlock("run", "x", "--", DLOCK, "run", "y", "--", "printenv", "DLOCK_URL")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode(), f"redis://127.0.0.1:{self.server.port}\n")
        elsewhere = ["env", f"DLOCK_URL=redis://127.0.0.2:{self.server.port}", DLOCK, "run", "-w0", "y", "true"]
        self.assertEqual(self.dlock("run", "x", "--", *elsewhere).returncode, 69)

    def test_a_password_that_everybody_can_read_is_a_warning(self):
        for mode, exposed in ((0o644, True), (0o640, False), (0o600, False)):
            self.write(f"url = {self.url}", mode=mode)
            done = self.dlock("config", "--json")
            self.assertEqual(json.loads(done.stdout)["exposed"], [str(self.file)] if exposed else [])
            self.assertEqual(done.stderr != b"", exposed)
            self.assertNotIn(SECRET.encode(), done.stdout + done.stderr)
            done = self.dlock("doctor", "--json", "--clock", "10ms")
            found = [f["grade"] for f in json.loads(done.stdout)["findings"] if f["subject"] == "config"]
            self.assertEqual(found, ["warning"] if exposed else [])
            self.assertNotIn(SECRET.encode(), done.stdout + done.stderr)
        self.write(f"url = redis://ann@127.0.0.1:{self.server.port}", mode=0o644)
        self.assertEqual(self.configuration()["exposed"], [])


if __name__ == "__main__":
    unittest.main()
