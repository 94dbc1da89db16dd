"""A client written from docs/protocol.md alone and the library share one lock, queue included."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
PROGRAM = SOURCE / "examples/protocol_client.py"
sys.path[:0] = [str(SOURCE / "tests/support"), str(PROGRAM.parent)]

from eventually import eventually  # noqa: E402
from protocol_client import ProtocolLock, clock, keys_of  # noqa: E402
from redis_server import RedisServer  # noqa: E402

DLOCK = os.environ["DLOCK_BIN"]
LONG = 60  # seconds for anything that should come soon
OTHER_PYTHON = SOURCE / ".deps/python/bin/python"  # it has another version of redis-py

ADD_ONE = """
import sys, time
path = sys.argv[1]
value = int(open(path).read())
time.sleep(0.003)
open(path, "w").write(str(value + 1))
"""

# URL, file, how often; examples/ is in its path.
WORKER = """
import sys, time
from protocol_client import ProtocolLock
lock = ProtocolLock(sys.argv[1], "job")
for _ in range(int(sys.argv[3])):
    with lock:
        value = int(open(sys.argv[2]).read())
        time.sleep(0.003)
        open(sys.argv[2], "w").write(str(value + 1))
"""

# URL, ttl: holds until it is killed.
HOLDER = """
import sys, time
from protocol_client import ProtocolLock
with ProtocolLock(sys.argv[1], "job", float(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""


class ProtocolClient(unittest.TestCase):
    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        self.redis = self.server.client(decode_responses=True)
        self.addCleanup(self.redis.close)
        self.environment = {**os.environ, "DLOCK_URL": self.server.url,
                            "PYTHONPATH": str(PROGRAM.parent)}
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def start(self, *arguments, **options):
        process = subprocess.Popen([str(word) for word in arguments], env=self.environment,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def dlock(self, *command, options=()):
        return self.start(DLOCK, "run", *options, "job", "--", *command)

    def lock(self, ttl=30.0):
        lock = ProtocolLock(self.server.url, "job", ttl)
        self.addCleanup(lock.close)
        return lock

    def start_acquire(self, lock):
        thread = threading.Thread(target=lock.acquire, daemon=True)
        thread.start()
        return thread

    def holder(self):
        return self.redis.get("job") or ""

    def assert_waiters(self, count):
        self.assertTrue(eventually(lambda: self.redis.zcard(keys_of("job")[1]) == count))

    def test_it_has_at_most_260_lines(self):
        self.assertLessEqual(len(PROGRAM.read_text().splitlines()), 260)

    def test_no_addition_is_lost_when_both_add_under_one_lock(self):
        number = pathlib.Path(self.directory.name, "number")
        number.write_text("0")
        pythons = [python for python in (sys.executable, OTHER_PYTHON) if os.path.exists(python)]
        workers = [self.start(python, "-c", WORKER, self.server.url, number, 20)
                   for python in pythons * 2]
        loop = 'for i in $(seq 10); do "$0" run job -- "$1" -c "$2" "$3" || exit; done'
        workers += [self.start("sh", "-c", loop, DLOCK, sys.executable, ADD_ONE, number)
                    for _ in range(3)]
        self.assertEqual([worker.wait(240) for worker in workers], [0] * len(workers))
        self.assertEqual(number.read_text(), str(20 * 2 * len(pythons) + 10 * 3))

    def test_clients_of_this_protocol_and_of_the_next_exclude_each_other(self):
        """The next one has names of its own for all but the lock key."""
        root = pathlib.Path(self.directory.name)
        for source in [PROGRAM, *(SOURCE / "src/script").rglob("*.lua")]:
            copy = root / source.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(source.read_text().replace("dlock1", "dlock2"))
        number = root / "number"
        number.write_text("0")
        loop = 'for i in $(seq 10); do "$0" run job -- "$1" -c "$2" "$3" || exit; done'
        workers = [self.start("sh", "-c", loop, DLOCK, sys.executable, ADD_ONE, number)
                   for _ in range(2)]
        self.environment["PYTHONPATH"] = str(root / "examples")
        workers += [self.start(sys.executable, "-c", WORKER, self.server.url, number, 10)
                    for _ in range(2)]
        # Both are at work: each waits for a lock that is of the other.
        for version in ("dlock1:", "dlock2:"):
            self.assertTrue(eventually(lambda v=version: self.holder().startswith(v), LONG))
        self.assertEqual([worker.wait(240) for worker in workers], [0] * len(workers))
        self.assertEqual(number.read_text(), "40")

    def test_waiters_of_both_are_served_in_order_of_arrival(self):
        order = pathlib.Path(self.directory.name, "order")
        command = ["sh", "-c", 'echo $0 >>"$1"']
        lock = self.lock()
        lock.acquire()
        waiters = []
        for place in range(6):
            words = [*command, place, order]
            waiters.append(self.dlock(*words) if place % 2 else
                           self.start(sys.executable, PROGRAM, self.server.url, "job", *words))
            self.assert_waiters(place + 1)
        lock.release()
        self.assertEqual([waiter.wait(LONG) for waiter in waiters], [0] * 6)
        self.assertEqual(order.read_text().split(), list("012345"))

    def calls(self, command):
        return self.redis.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]

    def test_it_needs_no_script_where_nobody_waits(self):
        lock = self.lock()
        with lock:
            pass
        former, scripts, blocks = lock.fence, self.calls("eval"), self.calls("exec")
        for _ in range(5):
            with lock:
                self.assertTrue(lock._is_bare)
                self.assertEqual(self.holder().count(":"), 3)  # a token alone
                self.assertGreater(lock.fence, former)
                former = lock.fence
        self.assertEqual(self.calls("exec") - blocks, 5)
        self.assertEqual(self.calls("eval") - scripts, 5)  # release_bare
        self.assertEqual(self.holder(), "")

    def test_the_library_sees_the_fence_of_a_lease_without_a_script(self):
        lock = self.lock()
        with lock:
            pass
        with lock:
            self.assertTrue(lock._is_bare)
            shown = self.start(DLOCK, "info", "job").communicate(timeout=LONG)[0]
            self.assertIn(str(lock.fence), shown)
            self.assertFalse(lock._is_bare)
        self.assertEqual(self.holder(), "")

    def test_a_waiter_of_the_library_is_served_by_the_release_of_a_lease_without_a_script(self):
        lock = self.lock()
        with lock:
            pass
        lock.acquire()
        former = lock.fence
        self.assertTrue(lock._is_bare)
        lock._released.set()  # nothing records it
        waiter = self.dlock("sh", "-c", "echo $DLOCK_FENCE")
        self.assert_waiters(1)
        lock.release()
        self.assertGreater(int(waiter.communicate(timeout=LONG)[0]), former)
        # Who met others uses the scripts, until one finds the lock free.
        blocks = self.calls("exec")
        with lock:
            self.assertFalse(lock._is_bare)
        self.assertEqual(self.calls("exec"), blocks)
        with lock:
            self.assertTrue(lock._is_bare)

    def test_a_server_that_lost_its_counter_is_asked_by_the_script(self):
        lock = self.lock()
        with lock:
            pass
        former = lock.fence
        self.redis.set(keys_of("job")[3], 5)
        with lock:
            self.assertFalse(lock._is_bare)
            self.assertGreater(lock.fence, former)

    def test_its_release_makes_the_library_the_holder_in_the_same_step(self):
        lock = self.lock()
        lock.acquire()
        former, mine = lock.fence, self.holder()
        waiter = self.dlock("sh", "-c", "echo $DLOCK_FENCE; read line")
        self.assert_waiters(1)
        lock.release()
        value = self.holder()
        self.assertTrue(value.startswith("dlock1:"))
        self.assertNotEqual(value[:23], mine[:23])
        self.assertGreater(int(waiter.communicate("\n", LONG)[0]), former)

    def test_it_is_granted_the_lock_without_asking_again(self):
        holder = self.dlock("sh", "-c", "echo $DLOCK_FENCE; read line")
        former = int(holder.stdout.readline())
        lock = self.lock()
        asked, script = [], lock._script
        lock._script = lambda *words: asked.append(words[0]) or script(*words)
        # Until it is granted it looks again every 2.5 s: be done before.
        acquiring = self.start_acquire(lock)
        self.assert_waiters(1)
        holder.communicate("\n", LONG)
        acquiring.join(LONG)
        self.assertEqual(asked.count("acquire"), 1)
        self.assertGreater(lock.fence, former)
        self.assertEqual(int(self.holder().split(":")[-2]) * 64, lock.fence)
        # It has a grant of 3 s: its first renewal extends that to the full ttl.
        self.assertTrue(eventually(lambda: self.redis.pttl("job") > 20_000))
        lock.release()
        self.assertEqual(self.holder(), "")

    def test_it_renews(self):
        lock = self.lock(ttl=2.0)
        lock.acquire()
        value, first_end = self.holder(), lock._valid_until
        self.assertTrue(eventually(lambda: clock() > first_end + 0.5))
        self.assertFalse(lock.lost.is_set())
        self.assertEqual(self.holder(), value)
        lock.release()

    def test_the_library_has_the_lock_after_its_holder_died(self):
        holder = self.start(sys.executable, "-c", HOLDER, self.server.url, 1)
        self.assertEqual(holder.stdout.readline(), "held\n")
        waiter = self.dlock("true")
        self.assert_waiters(1)
        holder.kill()
        self.assertEqual(waiter.wait(LONG), 0)

    def test_it_has_the_lock_after_a_holder_of_the_library_died(self):
        holder = self.dlock("sh", "-c", "echo held; read line", options=["--ttl", "1s"])
        self.assertEqual(holder.stdout.readline(), "held\n")
        lock = self.lock()
        acquiring = self.start_acquire(lock)
        self.assert_waiters(1)
        holder.kill()
        acquiring.join(LONG)
        self.assertFalse(acquiring.is_alive())
        lock.release()

    def test_dead_waiters_of_both_are_passed_over(self):
        lock = self.lock()
        lock.acquire()
        dead = []
        for waiter in ((sys.executable, PROGRAM, self.server.url, "job", "true"),
                       (DLOCK, "run", "job", "true")):
            dead.append(self.start(*waiter))
            self.assert_waiters(len(dead))
        for waiter in dead:
            waiter.kill()
            waiter.wait()
        live = self.dlock("true")
        self.assert_waiters(3)
        lock.release()
        self.assertEqual(live.wait(LONG), 0)

    def test_the_release_of_a_lost_lock_leaves_the_next_holder_alone(self):
        lock = self.lock()
        lock.acquire()
        lock._released.set()  # as if the process had stood still: nothing is renewed
        self.redis.delete("job")
        holder = self.dlock("sh", "-c", "echo held; read line")
        self.assertEqual(holder.stdout.readline(), "held\n")
        value = self.holder()
        self.assertRaises(RuntimeError, lock.release)
        self.assertEqual(self.holder(), value)
        holder.communicate("\n", LONG)
        self.assertEqual(holder.returncode, 0)

    def test_it_is_told_of_a_loss(self):
        lock = self.lock(ttl=1.0)
        lock.acquire()
        self.redis.set("job", "somebody", px=LONG * 1000)
        self.assertTrue(lock.lost.wait(LONG))
        self.assertRaises(RuntimeError, lock.release)
        self.assertEqual(self.holder(), "somebody")

    def test_it_is_told_before_the_end_when_the_server_stands_still(self):
        lock = self.lock(ttl=2.0)
        lock.acquire()
        self.server.stop()
        self.addCleanup(self.server.cont)
        self.assertTrue(lock.lost.wait(LONG))
        self.assertLess(clock(), lock._valid_until)

    def test_dlock_break_is_obeyed(self):
        lock = self.lock()
        lock.acquire()
        done = self.start(DLOCK, "break", "job", "--fence", lock.fence)
        self.assertEqual(done.wait(LONG), 0)
        self.assertTrue(lock.lost.wait(LONG))

    def test_both_look_again_when_the_queue_is_lost_and_have_their_places(self):
        lock, other = self.lock(), self.lock()
        lock.acquire()
        acquiring = self.start_acquire(other)
        self.assert_waiters(1)
        waiter = self.dlock("true")
        self.assert_waiters(2)
        queue = keys_of("job")[1]
        order = self.redis.zrange(queue, 0, -1)
        self.redis.delete(queue)
        self.assert_waiters(2)
        self.assertEqual(self.redis.zrange(queue, 0, -1), order)
        lock.release()
        acquiring.join(LONG)
        other.release()
        self.assertEqual(waiter.wait(LONG), 0)

    def test_a_wait_outlives_its_connections_and_keeps_its_place(self):
        lock, first, second = self.lock(), self.lock(), self.lock()
        lock.acquire()
        order = []
        for number, waiting in enumerate((first, second), 1):
            threading.Thread(daemon=True, target=lambda w=waiting, n=number: (
                w.acquire(), order.append(n), w.release())).start()
            self.assert_waiters(number)
        for kind in ("normal", "pubsub"):
            self.server.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        self.assertTrue(eventually(lambda: all(
            self.server.command("PUBSUB", "SHARDNUMSUB", f"dlock1:c:{one._id}")[1]
            for one in (first, second))))
        lock.release()
        self.assertTrue(eventually(lambda: order == [1, 2]), order)

    def test_a_wait_that_ends_leaves_the_queue(self):
        holder = self.dlock("sh", "-c", "echo held; read line")
        self.assertEqual(holder.stdout.readline(), "held\n")
        self.assertFalse(self.lock().acquire(timeout=0.2))
        self.assert_waiters(0)

    def test_the_library_says_who_it_is(self):
        lock = self.lock()
        lock.acquire()
        registration = f"dlock1:client:{{dlock1:c:{lock._id}}}"
        self.assertTrue(eventually(lambda: self.redis.exists(registration)))
        shown = self.start(DLOCK, "info", "job").communicate(timeout=LONG)[0]
        self.assertIn(f":{os.getpid()}", shown)
        lock.release()


if __name__ == "__main__":
    unittest.main()
