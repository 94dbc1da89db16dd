"""Many processes hammer one lock, and nothing that happens to their connections loses an addition."""

import random
import time
import unittest

from process_case import ProcessCase


class Hammer(ProcessCase):
    def test_32_processes_lose_no_addition(self):
        self.assertEqual(self.count_together(32, 4), 32 * 4)

    def test_connections_killed_again_and_again_lose_no_addition(self):
        chance = random.Random(1)

        def kill_some():
            for line in self.server.command("CLIENT", "LIST", "TYPE", "NORMAL").splitlines():
                fields = dict(field.split(b"=", 1) for field in line.split() if b"=" in field)
                if fields[b"name"].startswith(b"dlock:") and chance.random() < 0.1:
                    self.server.command("CLIENT", "KILL", "ID", fields[b"id"])
        self.assertEqual(self.count_together(8, 8, meanwhile=kill_some), 8 * 8)

    def test_scripts_forgotten_again_and_again_lose_no_addition(self):
        self.assertEqual(
            self.count_together(8, 8, meanwhile=lambda: self.server.command("SCRIPT", "FLUSH")),
            8 * 8)

    def test_writes_paused_again_and_again_lose_no_addition(self):
        self.leaves_keys = True  # a paused connection that closes takes its last command with it
        self.addCleanup(self.server.command, "FLUSHALL")
        paused_until = 0.0

        def pause_half_of_the_time():
            nonlocal paused_until
            if time.monotonic() > paused_until + 0.1:
                self.server.command("CLIENT", "PAUSE", "100", "WRITE")
                paused_until = time.monotonic() + 0.1
        self.assertEqual(self.count_together(8, 4, meanwhile=pause_half_of_the_time), 8 * 4)

    def test_somebody_who_listens_to_all_channels_disturbs_nothing(self):
        with self.server.client() as client, client.pubsub() as listener:
            listener.psubscribe("*")
            self.assertEqual(self.count_together(8, 4), 8 * 4)


if __name__ == "__main__":
    unittest.main()
