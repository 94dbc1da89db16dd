"""Python libraries and dlock exclude each other, in both directions; but for one."""

import peers_case


class RedisPy(peers_case.PeerCase):
    LANGUAGE, SUBJECT = "python", "redis-py"


class DistributedLock(peers_case.PeerCase):
    """The package distributed-lock 1.0, whose interface ours has: its release is a plain DEL."""

    LANGUAGE, SUBJECT = "python", "distributed-lock"

    def test_its_late_release_leaves_dlock_alone(self):
        holder, value = self.late_release()
        self.assertNotEqual(self.value(), value)
        # ... as nothing could; but dlock notices, and ends its command.
        self.assertEqual(holder.wait(peers_case.LONG), 73)


class PythonRedisLock(peers_case.OtherKeyCase):
    LANGUAGE, SUBJECT, KEY = "python", "python-redis-lock", "lock:job"


if __name__ == "__main__":
    peers_case.main([RedisPy, DistributedLock, PythonRedisLock])
