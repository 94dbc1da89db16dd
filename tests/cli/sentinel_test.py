"""redis+sentinel: the primary is found, and followed when it changes."""

import pathlib
import sys

from cli_case import CliCase, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from sentinel import SERVICE, Sentinels  # noqa: E402

import unittest  # noqa: E402


class Sentinel(CliCase):
    def setUp(self):
        super().setUp()
        self.sentinels = Sentinels()
        self.addCleanup(self.sentinels.close)
        self.environment["DLOCK_URL"] = self.sentinels.url

    def token(self, name):
        """Of the holder, on the primary."""
        return self.sentinels.call(self.sentinels.primary(), "GET", name)

    def test_a_holder_and_a_waiter_follow_a_failover(self):
        holder = self.start("run", "-v", "--ttl", "4s", "job", "sh", "-c", "echo in; read line || true")
        holder.expect("in\n")
        waiter = self.start("run", "job", "--", "echo", "mine")
        queue = "dlock1:qw:{job}"
        self.assertTrue(eventually(
            lambda: self.sentinels.call(self.sentinels.primary(), "ZCARD", queue) == 1, 30))
        token = self.token("job")
        self.sentinels.fail_over()
        self.assertEqual(self.token("job"), token, "the replica had it")
        life = ("PTTL", "job")
        self.assertTrue(eventually(  # it is renewed there: by its first ttl it would be over
            lambda: self.sentinels.call(self.sentinels.primary(), *life) > 3500, 30), holder.stderr)
        self.assertFalse(waiter.is_over())
        holder.close_stdin()
        self.assertEqual((holder.wait(), waiter.wait(), waiter.stdout), (0, 0, "mine\n"), holder.stderr)

    def test_replicas_are_waited_for_at_whoever_is_the_primary(self):
        wanted = ("run", "--min-replicas", "1", "--replication-timeout", "20s", "job", "--", "true")
        self.assertEqual(self.dlock(*wanted).returncode, 0)
        former = self.sentinels.primary()
        former.kill9()
        self.sentinels.wait_for_another(former)
        result = self.dlock(*wanted)
        self.assertEqual(result.returncode, 0, result)
        result = self.dlock("run", "--min-replicas=2", "--replication-timeout=100ms", "job", "true")
        self.assertEqual(result.returncode, 69, result)

    def test_one_sentinel_is_enough(self):
        for sentinel in self.sentinels.sentinels[:2]:
            sentinel.kill9()
        self.assertEqual(self.dlock("run", "job", "--", "true").returncode, 0)

    def test_what_is_wrong_is_told(self):
        addresses = self.sentinels.addresses
        primary = self.sentinels.primary().port
        for url, says in [
                (f"redis+sentinel://{addresses}/other", 'do not know the service "other"'),
                (f"redis+sentinel://127.0.0.1:1,127.0.0.1:2/{SERVICE}", "no Sentinel knows the primary"),
                (f"redis+sentinel://127.0.0.1:{primary}/{SERVICE}", "this is not a Sentinel"),
                (f"redis://127.0.0.1:{self.sentinels.sentinels[0].port}", "redis+sentinel://")]:
            result = self.dlock("run", "--url", url, "job", "--", "true")
            self.assertEqual(result.returncode, 69, result)
            self.assertIn(says, self.assert_one_message(result.stderr))


class Passwords(CliCase):
    def test_servers_and_sentinels_have_passwords_of_their_own(self):
        sentinels = Sentinels("inner", "outer")
        self.addCleanup(sentinels.close)
        addresses = sentinels.addresses
        right = f"redis+sentinel://:inner@{addresses}/{SERVICE}/3?sentinel_password=outer"
        result = self.dlock("run", "--url", right, "job", "--", "printenv", "DLOCK_URL")
        self.assertEqual((result.returncode, result.stdout.decode()),
                         (0, f"redis+sentinel://{addresses}/{SERVICE}/3\n"), result)
        for wrong in (right.replace("outer", "x"), right.replace("inner", "x"),
                      right.replace("?sentinel_password=outer", "")):
            result = self.dlock("run", "--url", wrong, "job", "--", "true")
            self.assertEqual(result.returncode, 69, result)
            self.assertIn("password", self.assert_one_message(result.stderr))


if __name__ == "__main__":
    unittest.main()
