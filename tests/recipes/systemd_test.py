"""The recipe for systemd: a timer on three hosts, and a job that one of them runs."""

import configparser
import shlex
import shutil
import subprocess
import unittest

from recipe_case import DLOCK, RECIPES, RecipeCase

UNITS = RECIPES / "systemd"


class Systemd(RecipeCase):
    def setUp(self):
        super().setUp()
        self.job = self.program("nightly", "echo ran >>" + str(self.outbox))
        # With this machine's places.
        for unit in UNITS.iterdir():
            text = unit.read_text().replace("/usr/bin/dlock", DLOCK)
            (self.directory / unit.name).write_text(text.replace("/usr/local/bin/nightly", str(self.job)))
        units = configparser.ConfigParser(interpolation=None, strict=False)
        units.optionxform = str
        units.read(self.directory / "nightly.service")
        self.service = units["Service"]
        # As on the hosts: no variable, but a configuration.
        del self.environment["DLOCK_URL"]
        self.environment |= dict([self.service["Environment"].split("=", 1)],
                                 XDG_CONFIG_HOME=str(self.directory))

    def configure(self, text):
        (self.directory / "dlock").mkdir()
        (self.directory / "dlock/config").write_text(text)

    def host(self):
        return self.start_program(*shlex.split(self.service["ExecStart"]))

    def test_systemd_finds_no_fault_in_the_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd is not installed")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", self.directory / "nightly.service",
                               self.directory / "nightly.timer"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_one_of_three_hosts_runs_the_job(self):
        self.configure(f"url = {self.server.url}\n")
        self.outputs([self.host() for _ in range(3)])
        self.assertEqual(self.sent(), ["ran"])

    def test_a_host_without_a_configuration_runs_nothing_and_does_not_try_again(self):
        host = self.host()
        self.assertIn(str(host.wait()), self.service["RestartPreventExitStatus"].split())
        self.assertIn("no URL", host.stderr)
        self.assertEqual(self.sent(), [])

    def test_a_server_that_cannot_be_reached_is_tried_again(self):
        self.configure("url = redis://127.0.0.1:1\n")
        host = self.host()
        self.assertEqual(host.wait(), 69)
        self.assertNotIn("69", self.service["RestartPreventExitStatus"].split())
        self.assertEqual(self.sent(), [])


if __name__ == "__main__":
    unittest.main()
