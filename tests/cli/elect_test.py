"""dlock elect: a command that runs while it leads, and looking at who does."""

import json
import signal
import socket
import unittest

from cli_case import DLOCK, CliCase


class Elect(CliCase):
    def lead(self, name, *options):
        """A leader whose command runs until its stdin is closed."""
        leader = self.start("elect", *options, name, "sh", "-c", "echo in; read line")
        leader.expect("in\n")
        return leader

    def resign(self, leader):
        leader.close_stdin()
        leader.wait()

    def show(self, name, *options):
        return self.dlock("elect", "--show", *options, name)

    def test_the_command_runs_while_it_leads_and_its_value_is_seen(self):
        leader = self.lead("web", "--value", "host-7:8080")
        shown = self.show("web")
        self.assertEqual((shown.returncode, shown.stdout, shown.stderr), (0, b"host-7:8080\n", b""))
        self.resign(leader)
        gone = self.show("web")
        self.assertEqual((gone.returncode, gone.stdout), (75, b""))
        self.assertIn("nobody leads 'web'", self.assert_one_message(gone.stderr))

    def test_the_value_may_stand_behind_the_name_and_is_this_host_by_default(self):
        for options in (["web", "--value", "v w"], ["web", "--value=v w"], ["--value", "v w", "web"]):
            leader = self.start("elect", *options, "--", "sh", "-c", "echo in; read line")
            leader.expect("in\n")
            self.assertEqual(self.show("web").stdout, b"v w\n")
            self.resign(leader)
        leader = self.lead("web")
        self.assertEqual(self.show("web").stdout.decode(), f"{socket.gethostname()}\n")
        self.resign(leader)

    def test_the_term_is_the_fence_and_grows(self):
        terms = []
        for _ in range(2):
            leader = self.start("elect", "--value", "v", "web", "sh", "-c",
                                'echo "fence $DLOCK_FENCE"; read line')
            terms.append(int(leader.word_after("fence")))
            shown = json.loads(self.show("web", "--json").stdout)
            self.assertEqual(shown, {"value": "v", "term": str(terms[-1]), "revision": 1})
            self.resign(leader)
        self.assertLess(terms[0], terms[1])

    def test_a_later_campaign_waits_or_says_that_it_does_not(self):
        leader = self.lead("web", "--value", "first")
        self.assertEqual(self.dlock("elect", "-n", "web", "true").returncode, 75)
        self.assertEqual(self.dlock("elect", "-n", "-E", "9", "web", "true").returncode, 9)
        self.assertEqual(self.dlock("elect", "-w", "0.1", "web", "true").returncode, 75)
        second = self.start("elect", "--value", "second", "web", "sh", "-c", "echo in; read line")
        self.wait_for_waiters("web", 1)
        self.resign(leader)
        second.expect("in\n")
        self.assertEqual(self.show("web").stdout, b"second\n")
        second.send(signal.SIGTERM)
        self.assertEqual(second.wait(), 143)
        self.assertEqual(self.show("web").returncode, 75)

    def test_a_leader_that_loses_the_lock_is_ended(self):
        leader = self.start("elect", "web", "sh", "-c", "echo in; exec sleep 60")
        leader.expect("in\n")
        self.dlock("break", "--current", "web")
        self.assertEqual(leader.wait(), 73)
        self.assertIn("lost the lock 'web'", leader.stderr)

    def test_a_listener_sees_each_change(self):
        listener = self.start("elect", "--listen", "web")
        listener.expect("vacant\n")
        leader = self.lead("web", "--value", "one\ttwo")
        listener.expect(" one\\ttwo\n")
        self.resign(leader)
        listener.expect("vacant\n", 2)
        self.assertRegex(listener.stdout, r"\Avacant\nelected \d+ one\\ttwo\nvacant\n\Z")
        listener.send(signal.SIGTERM)
        self.assertEqual(listener.wait(), -signal.SIGTERM)

    def test_a_listener_speaks_json_too(self):
        leader = self.lead("web", "--value", "v")
        listener = self.start("elect", "--listen", "--json", "web")
        listener.expect("\n")
        self.resign(leader)
        listener.expect("\n", 2)
        first, second = [json.loads(line) for line in listener.stdout.splitlines()]
        self.assertEqual((first["change"], first["value"], first["revision"]), ("elected", "v", 1))
        self.assertEqual(second, {"change": "vacant"})

    def test_a_listener_outlives_its_server_and_waits_for_a_first_answer_only_for_a_while(self):
        unanswered = self.start("elect", "--url", "redis://127.0.0.1:1", "--listen", "web")
        listener = self.start("elect", "--listen", "web")
        listener.expect("vacant\n")
        self.server.kill9()
        listener.expect_error("trying again")
        self.server.restart()
        leader = self.lead("web", "--value", "after")
        listener.expect(" after\n")
        self.resign(leader)
        self.assertEqual(unanswered.wait(), 69)

    def test_a_listener_whose_reader_is_gone_ends(self):
        listener = self.start_program(
            "bash", "-o", "pipefail", "-c", f"'{DLOCK}' elect --listen web | head -n 1")
        listener.expect("vacant\n")
        leader = self.lead("web")
        self.assertEqual(listener.wait(), 128 + signal.SIGPIPE)
        self.resign(leader)

    def test_a_server_that_is_not_there_is_69(self):
        self.environment["DLOCK_URL"] = "redis://127.0.0.1:1"
        result = self.show("web")
        self.assertEqual(result.returncode, 69, result)

    def test_a_listener_that_the_server_refuses_is_told(self):
        result = self.dlock("elect", "--url", self.server.url.replace("://", "://nobody:x@"), "--listen", "web")
        self.assertEqual((result.returncode, result.stdout), (69, b""), result)


if __name__ == "__main__":
    unittest.main()
