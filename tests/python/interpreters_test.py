"""The Python package where interpreters begin, end, and import it again."""

import time
import unittest

from package_case import PackageCase


class Interpreters(PackageCase):
    def test_an_interpreter_inside_another_is_told_that_it_cannot_be(self):
        out, _ = self.assert_ends(self.start("""
try: import _xxsubinterpreters as interpreters
except ImportError: import _interpreters as interpreters
try: failed = interpreters.run_string(interpreters.create(), "import distributed_lock")
except Exception as error: failed = error
print(failed)
import distributed_lock
distributed_lock.Mutex(lock_name="job").acquire().release()
"""))
        self.assertIn("works in the main interpreter only", out)

    def test_the_package_can_be_imported_again(self):
        out, _ = self.assert_ends(self.start("""
import sys, warnings
warnings.simplefilter("error")
import distributed_lock as first
lease = first.Mutex(lock_name="job").acquire()
for name in [name for name in sys.modules if name.startswith("distributed_lock")]:
    del sys.modules[name]
import distributed_lock as second
print(second.Mutex(lock_name="job").try_acquire(), second.Mutex(lock_name="other").acquire().held)
lease.release()
try: lease.ensure_held()
except second.UsageError as error: print(type(error) is first.UsageError)
lease = second.Mutex(lock_name="job").acquire()
kept = first.Mutex(lock_name="third").acquire()
"""))
        self.assertEqual(out, "None True\nTrue\n")
        self.assertFalse(self.redis.exists("job", "third"))

    def test_a_copy_from_another_directory_has_its_own_library_and_errors(self):
        out, _ = self.assert_ends(self.start("""
import pathlib, shutil, sys, tempfile, warnings
warnings.simplefilter("error")
import distributed_lock as first
with tempfile.TemporaryDirectory() as directory:
    shutil.copytree(pathlib.Path(first.__file__).parent, directory + "/vendor/distributed_lock")
    sys.path.insert(0, directory)
    import vendor.distributed_lock as second
    for name in [name for name in sys.modules if name.startswith("distributed_lock")]:
        del sys.modules[name]
    sys.path.insert(0, directory + "/vendor")
    import distributed_lock as third  # what is loaded already, under another name
for mine in (first, second, third):
    lease = mine.Mutex(lock_name="job").acquire()
    for other in (first, second, third):
        print(other.Mutex(lock_name="job").try_acquire(), end=" ")
    try: mine.Mutex(lock_name="job", lock_ttl=-1)
    except mine.UsageError: print(mine.UsageError is second.UsageError)
    lease.release()
kept = [each.Mutex(lock_name=f"kept{i}").acquire() for i, each in enumerate((first, second, third))]
"""))
        self.assertEqual(out, "None None None False\n" + "None None None True\n" * 2)
        self.assertFalse(self.redis.keys("kept*"))

    def test_daemon_threads_may_be_anywhere_when_the_program_ends(self):
        program = """
import asyncio, sys, threading, time, uuid, warnings
from distributed_lock import *
warnings.simplefilter("ignore")
own = lambda: str(uuid.uuid4())
def drop(): Mutex(lock_name=own()).acquire()
def fail(): Mutex(lock_name="held").acquire(timeout=0.001)
def wait(): Mutex(lock_name="held").acquire()
def misuse(): Mutex(lock_name="x", lock_ttl=-1)
def lose():
    with Mutex(lock_name=own()).acquire() as lease:
        lease.lost.add_callback(lambda: None)
        lease.lost.wait(0.001)
def wake():
    with ConditionVariable(lock_name=own()) as condition: condition.wait(0.001)
def lead():
    with Election(lock_name="host").campaign("a") as leadership:
        leadership.proclaim("b")
        Election(lock_name="host").observe().next(0.001)
def loop():
    async def main():
        async with AsyncDistributedLock(lock_name=own()):
            await Latch(lock_name="latch", count=2).wait_async(0.001)
            await AsyncDistributedLock(lock_name="held").acquire(timeout=0.001)
    asyncio.run(main())
def again(work):
    while True:
        try: work()
        except DistributedLockError: pass
lease = Mutex(lock_name="held").acquire()
works = {work.__name__: work for work in (drop, fail, wait, misuse, lose, wake, lead, loop)}
for work in [works[sys.argv[1]]] * 4 if sys.argv[1:] else works.values():
    threading.Thread(target=again, args=[work], daemon=True).start()
time.sleep(0.05)
"""
        kinds = ["drop", "fail", "wait", "misuse", "lose", "wake", "lead", "loop", None, None]
        for kind in kinds:
            with self.subTest(kind):
                self.assert_ends(self.start(program, *([kind] if kind else [])))
                self.assertFalse(self.redis.exists("held"))

    def test_at_the_end_all_leases_together_take_one_timeout(self):
        process = self.start("import sys; from distributed_lock import Mutex\n"
                             "leases = [Mutex(lock_name=f'job{i}').acquire() for i in range(12)]\n"
                             "print('held', flush=True); sys.stdin.read()")
        self.assertEqual(process.stdout.readline(), "held\n")
        self.server.stop()
        begin = time.monotonic()
        self.assert_ends(process)
        self.assertLess(time.monotonic() - begin, 15)  # not 24 s


if __name__ == "__main__":
    unittest.main()
