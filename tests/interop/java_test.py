"""Redisson keeps a lock in a hash at the same key: it and dlock get an error, never the lock."""

import peers_case
from peers_case import LONG, eventually


class Redisson(peers_case.DriverCase):
    LANGUAGE, SUBJECT = "java", "redisson"

    def key_type(self):
        return self.server.command("TYPE", "job")

    def test_dlock_refuses_a_lock_that_it_holds(self):
        peer = self.peer(hold_ms=1000)
        self.assertTrue(eventually(lambda: self.key_type() == b"hash"))
        self.assertEqual(self.dlock("true", options=["--nonblock"]).wait(LONG), 69)
        self.assertEqual(self.dlock("true").wait(LONG), 69)
        self.assertEqual(self.key_type(), b"hash")
        self.assertEqual(peer.expect("done", LONG), ["1", "0"])

    def test_it_fails_at_a_lock_that_dlock_holds(self):
        holder = self.dlock_holds()
        value = self.value()
        self.assertEqual(self.peer().expect("done", LONG), ["0", "1"])
        self.assertEqual(self.value(), value)
        holder.communicate("\n", LONG)
        self.assertEqual(holder.returncode, 0)


if __name__ == "__main__":
    peers_case.main([Redisson])
