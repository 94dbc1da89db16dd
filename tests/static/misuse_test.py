"""Misuse that the types forbid does not compile, and says why."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["DLOCK_SOURCE_DIR"])
HEADERS = """
#include <dlock/dlock.hpp>
#include <mutex>
#include <shared_mutex>
using namespace std::chrono_literals;
"""
FUNCTION = """
[[maybe_unused]] void use(dlock::Client& client, dlock::Mutex& mutex, dlock::SharedMutex& shared,
                          dlock::Semaphore& semaphore, dlock::Lease lease) {
  (void)client, (void)mutex, (void)shared, (void)semaphore, (void)lease;
"""
# Code that does not compile, the right code in its place, and the compiler's message.
MISUSES = {
    "a lock that is let go at once":
        ("mutex.acquire();", "auto held = mutex.acquire();", "nodiscard"),
    "a try whose outcome nobody sees":
        ("mutex.try_lock();", "(void)mutex.try_lock();", "nodiscard"),
    "permits that are let go at once":
        ("semaphore.permits(2).acquire();", "auto held = semaphore.permits(2).acquire();", "nodiscard"),
    "a coroutine's wait that nobody awaits":
        ("mutex.async_acquire();", "(void)mutex.async_acquire();", "nodiscard"),
    "two owners of one lease":
        ("dlock::Lease other = lease;", "dlock::Lease other = std::move(lease);", "deleted"),
    "a mutex that moves under its lock":
        ("dlock::Mutex other = std::move(mutex);", "dlock::Mutex other{client, mutex.name()};",
         "deleted"),
    "two clients that are one":
        ("dlock::Client other = client;", "dlock::Client other = std::move(client);", "deleted"),
    "a lock without a client":
        ('dlock::Mutex other{"redis://localhost", "name"};',
         'dlock::Client there{"redis://localhost"}; dlock::Mutex other{there, "name"};', "Client"),
    "a ttl without a unit":
        ('dlock::DistributedLock other{client, "name", {.ttl = 30}};',
         'dlock::DistributedLock other{client, "name", {.ttl = 30s}};', "LockOptions"),
    "a ttl that looks like the longest wait":
        ('dlock::DistributedLock other{client, "name", 250ms};',
         'dlock::DistributedLock other{client, "name", {.wait = 250ms}};', "LockOptions"),
    "a guard that is gone at once":
        ('dlock::DistributedLock{client, "name"};', 'dlock::DistributedLock other{client, "name", {}};',
         "nodiscard"),
    "readers of a lock that has none":
        ("std::shared_lock other{mutex};", "std::shared_lock other{shared};", "lock_shared"),
    "a semaphore as a mutex, whose holder would be nobody":
        ("std::lock_guard other{semaphore};", "std::lock_guard other{mutex};", "lock"),
    "a permanent release of somebody else's lease":
        ("dlock::async_release(lease);", "dlock::async_release(std::move(lease), {});", "deleted"),
    "a coroutine that runs on after the lock was let go":
        ('dlock::run_once(client, "name", {}, [&]() -> dlock::AsyncAcquire { return mutex.async_acquire(); });',
         'dlock::run_once(client, "name", {}, [&] { mutex.lock(); });', "keep the lease of begin_once"),
    "a downgrade that leaves the writer's lease behind":
        ("auto reader = shared.downgrade(lease);", "auto reader = shared.downgrade(std::move(lease));",
         "bind"),
}


FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable",
         f"-I{SOURCE / 'include'}"]


class Misuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.header = pathlib.Path(directory.name, "header.hpp")
        cls.header.write_text(HEADERS)
        # Compiled once for all.
        subprocess.run(["g++", *FLAGS, "-x", "c++-header", cls.header], check=True)

    def compile(self, statements):
        text = "".join(f"namespace n{number} {{{FUNCTION}{statement}\n}}\n}}\n"
                       for number, statement in enumerate(statements))
        return subprocess.run(
            ["g++", *FLAGS, "-include", self.header, "-fsyntax-only", "-x", "c++", "-"],
            input=text, capture_output=True, text=True, check=False)

    def test_what_is_wrong_does_not_compile_and_says_why(self):
        for what, (statement, _, reason) in MISUSES.items():
            with self.subTest(what):
                done = self.compile([statement])
                self.assertNotEqual(done.returncode, 0, f"compiles: {statement}")
                self.assertRegex(done.stderr, reason)

    def test_what_is_right_compiles(self):
        done = self.compile([right for _, right, _ in MISUSES.values()])
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
