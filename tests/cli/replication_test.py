"""dlock run --min-replicas: the command runs only when so many replicas have the lock."""

import unittest

from cli_case import CliCase, RedisServer, eventually


class Replication(CliCase):
    def setUp(self):
        super().setUp()
        self.server.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        self.replicas = [RedisServer(f"replicaof 127.0.0.1 {self.server.port}") for _ in range(2)]
        for replica in self.replicas:
            self.addCleanup(replica.close)
            self.assertTrue(eventually(
                lambda r=replica: r.command("INFO", "replication")["master_link_status"] == "up", 30))

    KINDS = ([], ["-s"], ["-x"], ["--permits", "2"], ["--at-least", "1m"], ["--and", "other"])

    def run_it(self, kind, *options):
        return self.dlock("run", *options, *kind, "job", "--", "echo", "ran")

    def test_it_runs_when_they_have_it(self):
        for kind in self.KINDS:
            result = self.run_it(kind, "--min-replicas", "2", "--replication-timeout", "20s")
            self.assertEqual((result.returncode, result.stdout), (0, b"ran\n"), result)
            self.server.command("DEL", "job")  # of --at-least
        result = self.dlock("elect", "--min-replicas", "2", "--replication-timeout", "20s", "job",
                            "--", "echo", "leads")
        self.assertEqual((result.returncode, result.stdout), (0, b"leads\n"), result)

    def test_it_does_not_run_when_one_lacks_it_and_the_lock_is_free(self):
        self.replicas[1].stop()
        for kind in self.KINDS:
            result = self.run_it(kind, "--min-replicas=2", "--replication-timeout=1s")
            self.assertEqual((result.returncode, result.stdout), (69, b""), result)
            self.assertRegex(self.assert_one_message(result.stderr), "1 of 2 replicas had the lock")
            result = self.run_it(kind, "--min-replicas", "1", "--replication-timeout", "20s")
            self.assertEqual((result.returncode, result.stdout), (0, b"ran\n"), result)
            self.server.command("DEL", "job")
        result = self.dlock("elect", "--min-replicas=2", "--replication-timeout=100ms", "job", "--",
                            "echo", "leads")
        self.assertEqual((result.returncode, result.stdout), (69, b""), result)


if __name__ == "__main__":
    unittest.main()
