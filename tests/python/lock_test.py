"""The Python package in one process: locks, threads, errors, losses, and redis-py's own Lock."""

import collections
import logging
import sys
import threading
import time
import unittest

from package_case import LONG, PackageCase, eventually  # isort: split

import redis
from distributed_lock import (
    ConditionVariable,
    DistributedLock,
    DistributedLockError,
    Election,
    Latch,
    LockBusy,
    LockLost,
    LockTimeout,
    Mutex,
    Refused,
    Semaphore,
    SharedMutex,
    StoreUnusable,
    Unreachable,
    UsageError,
    acquire_all,
    break_lock,
    run_once,
)


class LockCase(PackageCase):
    def lock(self, **options):
        return DistributedLock(self.redis, lock_name="job", **options)


class Locks(LockCase):
    def test_a_lock_is_held_in_its_block_and_not_after_it(self):
        lock = self.lock(lock_ttl=20)
        self.assertFalse(lock.locked())
        with lock:
            self.assertTrue(lock.locked())
            self.assertTrue(lock.held)
            self.assertTrue(15 < lock.valid_for <= 20)
            self.assertGreater(lock.fence, 0)
            self.assertFalse(lock.lost.is_set())
            lock.ensure_held()
        self.assertFalse(self.redis.exists("job"))
        self.assertRaises(UsageError, lock.ensure_held)

    def test_an_object_is_made_by_few_calls(self):
        """Programs make one for each acquisition. To ask a typing.Protocol takes dozens."""
        def make():
            DistributedLock(self.server.url, lock_name="job", lock_ttl=30)

        make()
        calls = collections.Counter()
        sys.setprofile(lambda frame, event, argument: calls.update([event]))
        make()
        sys.setprofile(None)
        self.assertLess(calls["call"] + calls["c_call"], 60, calls)

    def test_words_of_other_libraries_are_refused_with_ours(self):
        for kind in (DistributedLock, Mutex, Semaphore, SharedMutex):
            for word, ours in (("timeout", "lock_ttl"), ("blocking_timeout", "wait="),
                               ("ttl", "lock_ttl="), ("sleep", "sleep until"), ("fast", "no option")):
                with self.assertRaisesRegex(TypeError, f"{kind.__name__} .*{word}.*{ours}|{ours}"):
                    kind(self.redis, "job", **{word: 10})

    def test_names_and_spans_of_a_wrong_type_are_told_in_one_line(self):
        for make in (lambda name: Mutex(self.redis, name), lambda name: Latch(self.redis, name),
                     lambda name: acquire_all(self.redis, [name]),
                     lambda name: run_once(self.redis, name, lambda: None)):
            self.assertRaisesRegex(TypeError, r"\Alock_name is a str, not int: 7\Z", make, 7)
            self.assertRaisesRegex(UsageError, "lock_name is empty", make, "")
        self.assertRaisesRegex(TypeError, "list of names", acquire_all, self.redis, "ab")
        self.assertRaisesRegex(TypeError, "lock_ttl is a number of seconds", self.lock, lock_ttl="1")
        self.assertRaisesRegex(UsageError, "^lock_ttl is 0 s", self.lock, lock_ttl=0)
        self.assertRaisesRegex(UsageError, "^wait is negative", self.lock, wait=-1)

    def test_acquire_tells_whether_it_was_free(self):
        with self.lock():
            other = self.lock()
            self.assertFalse(other.acquire(blocking=False))
            start = time.monotonic()
            self.assertFalse(other.acquire(timeout=0.2))
            self.assertGreaterEqual(time.monotonic() - start, 0.2)
        self.assertTrue(other.acquire())
        other.release()
        self.assertRaises(UsageError, other.release)

    def test_a_required_lock_raises_when_it_is_taken(self):
        with self.lock():
            with self.assertRaises(LockTimeout) as caught:
                self.lock(wait=0.05).__enter__()
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertNotIsInstance(caught.exception, LockBusy)
            self.assertRaises(LockBusy, Mutex(self.redis, "job").acquire, timeout=0)
            self.assertIsNone(Mutex(self.redis, "job").try_acquire())

    def test_a_thread_that_acquires_twice_is_told(self):
        lock = self.lock()
        with lock:
            self.assertRaisesRegex(UsageError, "held here already", lock.acquire)

    def test_extending_is_told_apart_from_a_lock_that_ends(self):
        lock = self.lock(lock_ttl=0.5)
        self.assertRaises(UsageError, lock.extend)
        lock.acquire()
        self.assertTrue(lock.extend(10))
        self.assertTrue(lock.reacquire())
        self.redis.delete("job")
        self.assertTrue(lock.lost.wait(LONG))
        self.assertRaises(LockLost, lock.extend)
        self.assertRaises(LockLost, lock.release)
        with self.lock(renew=False) as ending:
            self.assertRaisesRegex(UsageError, "renew=False", ending.extend)


class Losses(LockCase):
    def test_a_holder_is_told_by_all_ways(self):
        called = threading.Event()
        lock = DistributedLock(self.redis, lock_name="job", lock_ttl=0.6)
        with self.assertRaises(LockLost):
            with lock:
                lock.lost.add_callback(called.set)
                self.assertFalse(lock.lost.wait(0.01))
                self.redis.delete("job")
                self.assertTrue(lock.lost.wait(LONG))
                self.assertTrue(called.wait(LONG))
                self.assertTrue(lock.lost.is_set())
                late = threading.Event()
                lock.lost.add_callback(late.set)
                self.assertTrue(late.is_set())
                with self.assertRaisesRegex(LockLost, "its key is gone"):
                    lock.ensure_held()

    def test_on_lost_is_called_for_each_lease_of_an_object(self):
        fences = []
        lock = self.lock(on_lost=lambda lease: fences.append(lease.fence))
        for _ in range(2):
            lock.acquire()
            break_lock(self.redis, "job", lock.fence)
            self.assertTrue(lock.lost.wait(LONG))
            self.assertRaises(LockLost, lock.release)
        self.assertTrue(eventually(lambda: len(set(fences)) == 2))

    def test_a_loss_that_is_on_its_way_already_is_told_once(self):
        with self.assertRaises(LockLost) as caught:
            with self.lock() as lock:
                break_lock(self.redis, "job", lock.fence)
                self.assertTrue(lock.lost.wait(LONG))
                lock.ensure_held()
        self.assertEqual(getattr(caught.exception, "__notes__", []), [])

    def test_a_lease_without_renewal_runs_out(self):
        lease = Mutex(self.redis, "job", lock_ttl=0.2, renew=False).acquire()
        self.assertTrue(lease.lost.wait(LONG))
        self.assertTrue(eventually(lambda: not lease.held))
        self.assertEqual(lease.valid_for, 0)
        self.assertRaises(LockLost, lease.release)

    def test_max_hold_ends_a_lease_that_is_renewed(self):
        lease = Mutex(self.redis, "job", lock_ttl=0.2, max_hold=0.3).acquire()
        self.assertTrue(lease.lost.wait(LONG))
        with self.assertRaisesRegex(LockLost, "max_hold"):
            lease.release()

    def test_the_exception_of_the_body_goes_before_that_of_the_release(self):
        lock, condition = self.lock(), ConditionVariable(self.redis, "job")

        def run_in(block):
            def run(work):
                with block():
                    work()
            return run

        def lose():
            self.redis.delete("job")
            raise KeyError("mine")

        def release_early(owner):
            def work():
                owner.release()
                raise KeyError("mine")
            return work

        for run, work, failure in (
                (run_in(lambda: lock), lose, "LockLost"),
                (lambda work: lock(work)(), lose, "LockLost"),
                (run_in(Mutex(self.redis, "job").acquire), lose, "LockLost"),
                (run_in(Election(self.redis, "job").campaign), lose, "LockLost"),
                (run_in(lambda: acquire_all(self.redis, ["job", "other"])), lose, "LockLost"),
                (lambda work: run_once(self.redis, "job", work), lose, "LockLost"),
                (run_in(lambda: lock), release_early(lock), "UsageError"),
                (run_in(lambda: condition), release_early(condition), "UsageError")):
            with self.subTest(run), self.assertLogs("distributed_lock", logging.ERROR):
                try:
                    run(work)
                except KeyError as error:
                    self.assertRegex(error.__notes__[0], failure)

    def test_an_object_says_what_it_is_and_who_has_it(self):
        lock, others = self.lock(), SharedMutex(self.redis, "a\x1b[31m\n\u202eb")
        for named, text in (
                (others, r'<SharedMutex "a\x1b[31m\n\u202eb">'),
                (others.read, r'<LeaseSource "a\x1b[31m\n\u202eb">'),
                (DistributedLock(self.redis, name="of-{user}"), "<DistributedLock name='of-{user}'>"),
                (Semaphore(self.redis, "gpu", permits=3), '<Semaphore "gpu", 3 permits>'),
                (ConditionVariable(self.redis, "c"), '<ConditionVariable "c">'),
                (Election(self.redis, "e"), '<Election "e">'), (Latch(self.redis, "l"), '<Latch "l">'),
                (lock, '<DistributedLock "job">')):
            self.assertEqual(repr(named), text)
        seen = []
        with lock:
            thread = threading.Thread(target=lambda: seen.append(repr(lock)))
            thread.start()
            thread.join()
            self.assertEqual(repr(lock), '<DistributedLock "job", held>')
            self.assertRegex(repr(lock.lease), '^<Lease of "job", fence [0-9]+, held>$')
            self.assertEqual(repr(lock.lost), "<Lost: not set>")
        self.assertEqual(seen, ['<DistributedLock "job", held by the thread "MainThread">'])
        lease = Mutex(self.redis, "job", lock_ttl=0.2, renew=False).acquire()
        self.assertTrue(lease.lost.wait(LONG))
        self.assertRegex(repr(lease), "lost>$")

    def test_what_is_asked_of_a_lock_that_is_not_held_says_what_to_do(self):
        lock = self.lock()
        for attribute in ("lost", "fence", "lease"):
            with self.assertRaisesRegex(UsageError, '"job" is not held here: acquire it first'):
                getattr(lock, attribute)
        self.assertEqual((lock.held, lock.valid_for), (False, 0))
        told = []

        def ask():
            try:
                lock.lost  # noqa: B018
            except UsageError as error:
                told.append(str(error))

        with lock:
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join()
        self.assertRegex(told[0], 'by the thread "MainThread": hand on its `lease`')

    def test_a_name_leaves_no_line_of_an_error_or_the_log(self):
        name = "a\nb\x1b[31m"
        lock = DistributedLock(self.redis, name, wait=0)
        with self.assertLogs("distributed_lock", logging.WARNING) as logged:
            with self.assertWarnsRegex(ResourceWarning, '^[ -~]*$'):
                Mutex(self.redis, name).acquire()
        texts = [text for text in logged.output if "dropped" in text]
        self.assertEqual(len(texts), 1)
        with Mutex(self.redis, name).acquire():
            for call in (lock.__enter__, lock.release, lambda: lock.fence):
                with self.assertRaises(DistributedLockError) as caught:
                    call()
                texts.append(str(caught.exception))
        for text in texts:
            self.assertRegex(text, r'^[ -~]*"a\\nb\\x1b\[31m"[ -~]*$')

    def test_a_lease_that_nobody_has_any_more_is_released(self):
        lease = Mutex(self.redis, "job").acquire()
        lost = lease.lost
        lost.add_callback(lambda: None)
        with self.assertLogs("distributed_lock", logging.WARNING):
            with self.assertWarnsRegex(ResourceWarning, '"job" was dropped'):
                del lease
        self.assertFalse(self.redis.exists("job"))
        self.assertFalse(lost.is_set())

    def test_a_callback_that_fails_is_logged(self):
        lease = Mutex(self.redis, "job", lock_ttl=0.2, renew=False).acquire()
        with self.assertLogs("distributed_lock", logging.ERROR) as logged:
            lease.lost.add_callback(lambda: 1 / 0)
            self.assertTrue(lease.lost.wait(LONG))
            self.assertTrue(eventually(lambda: "ZeroDivisionError" in "".join(logged.output)))


class Errors(PackageCase):
    def test_all_have_one_base_and_a_class_of_python(self):
        for error, base in ((LockTimeout, TimeoutError), (Unreachable, ConnectionError),
                            (UsageError, ValueError), (LockLost, DistributedLockError)):
            self.assertTrue(issubclass(error, (DistributedLockError,)) and issubclass(error, base))

    def test_no_server_is_unreachable(self):
        port = self.server.port
        self.server.close()
        with self.assertRaises(Unreachable):
            Mutex(f"redis://127.0.0.1:{port}", "job").acquire(timeout=0)

    def test_a_wrong_password_is_refused(self):
        self.redis.config_set("requirepass", "secret")
        with self.assertRaises(Refused):
            Mutex(self.server.url, "job").acquire()
        with_password = redis.Redis(port=self.server.port, password="secret")
        with DistributedLock(with_password, lock_name="job"):
            pass
        with_password.config_set("requirepass", "")
        with_password.close()

    def test_another_type_of_key_is_no_lock(self):
        self.redis.lpush("job", "work")
        with self.assertRaisesRegex(StoreUnusable, "not a lock"):
            Mutex(self.redis, "job").acquire()

    def test_wrong_usage_is_told_when_it_is_written(self):
        for options in ({"lock_ttl": 0}, {"lock_ttl": float("nan")}, {"lock_name": ""},
                        {"client": "http://localhost"}):
            with self.subTest(options), self.assertRaises(UsageError):
                DistributedLock(**{"client": self.redis, "lock_name": "job", **options})
        lock = DistributedLock(self.redis, lock_name="job")
        with self.assertRaises(UsageError):
            lock.acquire(blocking=False, timeout=1)
        with self.assertRaises(UsageError):
            lock.acquire(timeout=-2)


class Interoperation(PackageCase):
    def test_redis_py_and_we_wait_for_each_other(self):
        foreign = self.redis.lock("job", timeout=LONG, sleep=0.01)
        ours = DistributedLock(self.redis, lock_name="job")
        with foreign:
            self.assertTrue(ours.locked())
            self.assertFalse(ours.acquire(blocking=False))
            waiter = threading.Thread(target=ours.acquire)
            waiter.start()
            self.assertTrue(eventually(lambda: self.waiters("job")))
        waiter.join(LONG)
        ours.release()  # what the thread has left behind
        with ours:
            self.assertFalse(foreign.acquire(blocking=False))
        self.assertTrue(foreign.acquire(blocking_timeout=LONG))
        foreign.release()


if __name__ == "__main__":
    unittest.main()
