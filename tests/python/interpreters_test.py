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
lease = second.Mutex(lock_name="job").acquire()
kept = first.Mutex(lock_name="third").acquire()
"""))
        self.assertEqual(out, "None True\n")
        self.assertFalse(self.redis.exists("job", "third"))

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
