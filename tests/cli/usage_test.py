"""The command line: what is refused with 64, help, version, durations."""

import re
import unittest

from cli_case import CliCase


class Usage(CliCase):
    def assert_wrong(self, *arguments, says):
        result = self.dlock(*arguments)
        self.assertEqual(result.returncode, 64, (arguments, result))
        self.assertIn(says, self.assert_one_message(result.stderr))
        self.assertEqual(result.stdout, b"")

    def test_without_arguments_the_help_goes_to_stderr(self):
        result = self.dlock()
        self.assertEqual((result.returncode, result.stdout), (64, b""))
        self.assertTrue(result.stderr.startswith(b"dlock: missing command\n"), result)
        self.assertIn(b"dlock run backup", result.stderr)

    def test_each_command_has_a_short_help_with_examples(self):
        for command in ([], ["run"], ["elect"], ["latch"], ["barrier"], ["ls"], ["info"], ["deadlocks"],
                        ["doctor"], ["break"]):
            with self.subTest(command=command):
                result = self.dlock(*command, "--help")
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                text = result.stdout.decode()
                self.assertLess(len(text.splitlines()), 60)
                self.assertLessEqual(max(map(len, text.splitlines())), 100)
                self.assertRegex(text, r"\n  dlock [a-z]+ ")
                self.assertEqual(self.dlock(*command, "-h").stdout, result.stdout)
                self.assertEqual(self.dlock("help", *command).stdout, result.stdout)

    def test_help_for_what_does_not_exist_says_so(self):
        result = self.dlock("help", "dance")
        self.assertEqual(result.returncode, 64)
        self.assertIn(b"there is no command 'dance'", result.stderr)

    def test_the_help_names_exactly_the_options_that_exist(self):
        known = {"run": {"--url", "--prefix", "--ttl", "--no-renew", "-w", "--wait", "-n", "--nonblock",
                         "-E", "--conflict-exit-code", "--kill-after", "--label", "-c", "--command",
                         "-s", "--shared", "-x", "--exclusive", "--permits", "--weight",
                         "--at-least", "--at-most", "--and", "--min-replicas",
                         "--replication-timeout",
                         "-v", "--verbose", "-h", "--help"},
                 "elect": {"--url", "--prefix", "--ttl", "-w", "--wait", "-n", "--nonblock", "-E",
                           "--conflict-exit-code", "--kill-after", "--label", "-c", "--command",
                           "--value", "--listen", "--show", "--json", "-v", "--verbose", "-h",
                           "--help", "--min-replicas", "--replication-timeout"},
                 "latch": {"--url", "--prefix", "-w", "--wait", "--count", "--down", "--by", "--keep",
                           "--show", "--json", "-h", "--help"},
                 "barrier": {"--url", "--prefix", "-w", "--wait", "--parties", "--reset", "--show",
                             "--json", "-h", "--help"},
                 "deadlocks": {"--url", "--prefix", "--json", "-h", "--help"},
                 "doctor": {"--url", "--prefix", "--clock", "--keys", "--json", "-h", "--help"},
                 "ls": {"--url", "--prefix", "--json", "-h", "--help"},
                 "info": {"--url", "--prefix", "--json", "-h", "--help"},
                 "break": {"--url", "--prefix", "--json", "--fence", "--current", "-h",
                           "--help"}}
        for command, options in known.items():
            text = self.dlock(command, "--help").stdout.decode()
            listed = set()
            for line in re.findall(r"^ {2,6}(?=-)(.*?)(?:  |$)", text, re.MULTILINE):
                listed |= set(re.findall(r"(?<!\S)--?[A-Za-z-]+", line))
            self.assertEqual(listed, options, command)
            for option in options:
                result = self.dlock(command, option)
                self.assertNotIn(b"not expected", result.stderr, (command, option))

    def test_version_is_one_line(self):
        result = self.dlock("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, rb"\Adlock \d+\.\d+\.\d+\n\Z")

    def test_wrong_usage_is_64_and_says_what_to_do(self):
        for arguments, says in [
            (["flock", "x"], "dlock run NAME COMMAND"),
            (["unlock", "x"], "dlock break NAME --current"),
            (["doktor"], "did you mean 'dlock doctor'?"),
            (["ls", "--watch"], "dlock top"),
            (["run"], "NAME and a COMMAND are missing"),
            (["run", "x"], "the COMMAND is missing"),
            (["run", "x", "--"], "the COMMAND is missing"),
            (["run", "", "true"], "unset"),
            (["run", "--", "", "true"], "unset"),
            (["run", "x", ""], "unset"),
            (["run", "x", "-n", "true"], "options go before the NAME"),
            (["run", "--frobnicate", "x", "true"], "--frobnicate"),
            (["run", "-n", "-w", "1", "x", "true"], "excludes"),
            (["run", "-E", "256", "x", "true"], "conflict-exit-code"),
            (["run", "-E", "many", "x", "true"], "conflict-exit-code"),
            (["run", "-c", "", "x"], "-c is empty"),
            (["run", "-c", "true", "x", "true"], "exclude each other"),
            (["run", "--url", "", "x", "true"], "--url is empty"),
            (["run", "--url=", "x", "true"], "--url"),
            (["run", "--ttl"], "--ttl"),
            (["run", "--ttl", "1ms", "x", "true"], "10 ms"),
            (["run", "--min-replicas", "-1", "x", "true"], "min-replicas"),
            (["run", "--replication-timeout", "1s", "x", "true"], "--min-replicas"),
            (["run", "--min-replicas", "1", "--replication-timeout", "0", "x", "true"],
             "longer than zero"),
            (["elect"], "NAME and a COMMAND are missing: dlock elect"),
            (["elect", "x", "--value"], "--value needs a VALUE"),
            (["elect", "x", "--value", "v"], "the COMMAND is missing"),
            (["elect", "--value", "v", "x", "--value", "w", "true"], "--value only once"),
            (["elect", "-c", "", "x"], "-c is empty"),
            (["elect", "--listen"], "take a NAME"),
            (["elect", "--show", "x", "true"], "take a NAME"),
            (["elect", "--show", ""], "unset"),
            (["elect", "--listen", "--show", "x"], "excludes"),
            (["elect", "--listen", "--value", "v", "x"], "excludes"),
            (["elect", "--json", "x", "true"], "--json is for"),
            (["elect", "--shared", "x", "true"], "--shared"),
            (["latch", "x"], "--count"),
            (["latch", "--count", "2"], "NAME"),
            (["latch", "--count", "2", ""], "unset"),
            (["latch", "--count", "0", "x"], "count from 1"),
            (["latch", "--count", "2", "--by", "1", "x"], "--down"),
            (["latch", "--count", "2", "--down", "-w", "1", "x"], "excludes"),
            (["latch", "--count", "2", "--down", "--by", "0", "x"], "by 1 or more"),
            (["barrier", "x"], "--parties"),
            (["barrier", "--parties", "0", "x"], "parties, not 0"),
            (["barrier", "--parties", "2", "--reset", "-w", "1", "x"], "excludes"),
            (["info"], "NAME"),
            (["info", ""], "unset"),
            (["info", "x", "y"], "y"),
            (["ls", "x", "y"], "y"),
            (["ls", "--fence", "3"], "--fence"),
            (["break", "x"], "say --current"),
            (["break", "x", "--current", "--fence", "7"], "excludes"),
            (["break", "--fence", "7"], "NAME"),
            (["break", "x", "--fence", "7x"], "whole number"),
            (["break", "x", "--fence", "-7"], "--fence"),
            (["break", "x", "--fence", "99999999999999999999"], "whole number"),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_wrong(*arguments, says=says)

    def test_durations_are_read_as_flock_and_people_write_them(self):
        for text, ms in [("2500ms", 2500), ("30s", 30000), ("5m", 300000), ("5min", 300000), ("1h", 3600000),
                         ("2d", 172800000), ("2", 2000), ("4.5", 4500), (".25h", 900000), ("2.25s", 2250),
                         ("1.5h", 5400000), ("4.001", 4001), ("2.007", 2007), ("10.0001", 10001)]:
            with self.subTest(text=text):
                result = self.dlock("run", "--ttl", text, "x", "printenv", "DLOCK_TTL_MS")
                self.assertEqual(result.stdout.decode(), f"{ms}\n", result)

    def test_what_is_no_duration_is_refused(self):
        for text in ["", "abc", "1x", "1 s", "1e3", "nan", "inf", "s", "ms", "1m30s"]:
            with self.subTest(text=text):
                self.assert_wrong("run", "--wait", text, "x", "true", says="duration")
        self.assert_wrong("run", "--wait=-1", "x", "true", says="negative")
        self.assert_wrong("run", "--wait=40000d", "x", "true", says="100 years")

    def test_options_of_the_command_are_its_own(self):
        result = self.dlock("run", "-nv", "x", "printf", "%s,", "-n", "--help", "--", "-w", "--url", "")
        self.assertEqual((result.returncode, result.stdout), (0, b"-n,--help,--,-w,--url,,"))

    def test_the_separator_may_stand_before_and_after_the_name(self):
        for arguments in (["x", "--"], ["--", "x"], ["--", "x", "--"], ["-w5", "x", "--"],
                          ["-vw", "5", "--", "x"]):
            with self.subTest(arguments=arguments):
                result = self.dlock("run", *arguments, "echo", "-n", "yes")
                self.assertEqual((result.returncode, result.stdout), (0, b"yes"), result)

    def test_a_name_may_look_like_an_option_or_a_command(self):
        for name in ("-x", "--help", "--"):
            result = self.dlock("run", "--", name, "printenv", "DLOCK_NAME")
            self.assertEqual(result.stdout.decode(), f"{name}\n", result)
        for name in ("run", "ls", "help", "[a,b]", "{}", "%%", "/x", "-"):
            result = self.dlock("run", name, "printenv", "DLOCK_NAME")
            self.assertEqual(result.stdout.decode(), f"{name}\n", result)

    def test_a_command_may_begin_with_a_dash_after_the_separator(self):
        result = self.dlock("run", "x", "--", "-c", "true")
        self.assertEqual(result.returncode, 127)
        self.assertIn("'-c'", self.assert_one_message(result.stderr))


if __name__ == "__main__":
    unittest.main()
