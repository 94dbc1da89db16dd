"""redis+quorum: a lock on a majority of independent servers, whatever becomes of a minority."""

import json
import pathlib
import sys

from cli_case import CliCase, RedisServer, eventually

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from proxy import Proxy  # noqa: E402

import unittest  # noqa: E402


class Quorum(CliCase):
    def setUp(self):
        super().setUp()
        self.servers = [RedisServer() for _ in range(3)]
        for server in self.servers:
            self.addCleanup(server.close)
        addresses = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        self.environment["DLOCK_URL"] = f"redis+quorum://{addresses}"

    def hold_for_long(self, *options):
        holder = self.start("run", "-v", *options, "job", "sh", "-c", "echo fence $DLOCK_FENCE; read line || true")
        holder.fence = int(holder.word_after("fence"))
        return holder

    def values(self):
        return [server.command("GET", "job") for server in self.servers if server.pid]

    def fence_of(self, value):
        counter, sequence = value.decode().rsplit(":", 2)[1:]
        return int(counter) * 64 + int(sequence)

    def fence(self):
        result = self.dlock("run", "job", "--", "sh", "-c", "echo $DLOCK_FENCE")
        self.assertEqual(result.returncode, 0, result)
        return int(result.stdout)

    def test_all_servers_know_the_same_fence(self):
        holder = self.hold_for_long()
        self.assertTrue(eventually(lambda: all(self.values())))
        self.assertTrue(eventually(
            lambda: {self.fence_of(value) for value in self.values()} == {holder.fence}))
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0, holder.stderr)
        self.assertTrue(eventually(lambda: not any(self.values())), "nothing is left anywhere")

    def test_one_server_under_two_names_is_refused(self):
        one, other, _ = self.servers
        for twice in (f"127.0.0.1:{one.port},localhost:{one.port},127.0.0.1:{other.port}",
                      f"127.0.0.1:{other.port},127.0.0.1:{one.port},localhost:{one.port}"):
            self.environment["DLOCK_URL"] = url = f"redis+quorum://{twice}"
            for _ in range(3):
                result = self.dlock("run", "job", "--", "true")
                self.assertEqual(result.returncode, 64, result)
                self.assertIn(b"are the same server (run_id", result.stderr)
            self.assertFalse(one.command("EXISTS", "job"))
            doctor = self.dlock("doctor", "--json", "--clock", "10ms", "--url", url)
            self.assertEqual(doctor.returncode, 2)
            self.assertTrue(any("are the same server" in finding["what"]
                                for finding in json.loads(doctor.stdout)["findings"]))

    def test_its_servers_have_no_replicas_to_wait_for(self):
        result = self.dlock("run", "--min-replicas", "1", "job", "--", "true")
        self.assertEqual(result.returncode, 64, result)
        self.assertIn(b"min_replicas is not supported with redis+quorum", result.stderr)

    def test_a_minority_that_is_gone_costs_nothing(self):
        for stop in (self.servers[0].kill9, self.servers[1].stop):
            before = self.fence()
            stop()
            self.assertGreater(self.fence(), before)
            self.servers[0].restart()
        self.servers[1].cont()

    def test_fences_grow_whatever_majority_gives_them(self):
        ahead = int(self.fence() / 64) + 10**9  # its clock is a quarter of an hour ahead
        self.servers[2].command("SET", "dlock1:fence", ahead)
        self.servers[0].kill9()
        first = self.fence()
        self.assertGreater(first, ahead * 64)
        self.servers[0].restart()
        self.servers[2].kill9()
        self.assertGreater(self.fence(), first, "the others were told")

    def test_one_of_many_tries_at_once_succeeds(self):
        """Each is near to another server, as are cron jobs in three places: it gets that one first."""
        proxies = [Proxy(server.port) for server in self.servers]
        for proxy in proxies:
            self.addCleanup(proxy.close)
            proxy.delay(0.01)
        for _ in range(8):
            tries = []
            for near in range(3):
                ports = [self.servers[i].port if i == near else proxies[i].port for i in range(3)]
                self.environment["DLOCK_URL"] = "redis+quorum://" + ",".join(
                    f"127.0.0.1:{port}" for port in ports)
                tries.append(self.start("run", "-n", "job", "sh", "-c", "read line || true"))
            self.assertTrue(eventually(lambda: sum(one.is_over() for one in tries) == 2, 20),
                            [one.stderr for one in tries])
            statuses = []
            for one in tries:
                one.close_stdin()
                statuses.append(one.wait())
            self.assertEqual(sorted(statuses), [0, 75, 75])

    def test_no_majority_is_unreachable_and_a_minority_is_given_back(self):
        for server in self.servers[1:]:
            server.kill9()
        result = self.dlock("run", "-n", "job", "--", "true")
        self.assertEqual(result.returncode, 69, result)
        self.assertIn(b"majority", result.stderr)
        self.assertTrue(eventually(lambda: not any(self.values())))

    def test_a_minority_held_by_another_does_not_keep_us_out_and_a_majority_does(self):
        self.servers[0].command("SET", "job", "somebody", "PX", 60_000)
        self.assertEqual(self.dlock("run", "-n", "job", "--", "true").returncode, 0)
        self.servers[1].command("SET", "job", "somebody", "PX", 60_000)
        self.assertEqual(self.dlock("run", "-n", "job", "--", "true").returncode, 75)
        self.assertTrue(eventually(lambda: not self.servers[2].command("GET", "job")))

    def test_a_part_that_was_lost_is_taken_again(self):
        holder = self.hold_for_long("--ttl", "2s")
        self.servers[0].kill9()
        self.servers[0].restart()  # empty
        self.assertTrue(eventually(lambda: self.servers[0].command("GET", "job"), 30), holder.stderr)
        for server in self.servers[1:]:  # now it may go on with the first and one other
            server.kill9()
            server.restart()
            self.assertTrue(eventually(lambda: server.command("GET", "job"), 30), holder.stderr)
        self.assertFalse(holder.is_over())
        holder.close_stdin()
        self.assertEqual(holder.wait(), 0, holder.stderr)

    def test_a_lost_majority_is_a_lost_lock(self):
        holder = self.hold_for_long("--ttl", "2s")
        self.assertTrue(eventually(lambda: all(self.values())))
        for server in self.servers[:2]:
            server.command("SET", "job", "somebody", "PX", 60_000)
        self.assertEqual(holder.wait(), 73, holder.stderr)

    def test_what_is_shown_is_what_a_majority_has(self):
        self.servers[0].kill9()
        holder = self.hold_for_long()
        seen = json.loads(self.dlock("info", "job", "--json").stdout)
        self.assertEqual(seen["fence"], str(holder.fence))
        self.assertEqual(self.dlock("break", "job", "--fence", seen["fence"]).returncode, 0)
        self.assertEqual(holder.wait(), 73, holder.stderr)


if __name__ == "__main__":
    unittest.main()
