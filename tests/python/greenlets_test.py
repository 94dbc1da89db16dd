"""The Python package under gevent and eventlet: waits let other greenlets run, whatever was patched,
and when."""

import unittest

from package_case import LONG, PackageCase, eventually

GEVENT = """
import gevent, gevent.pool
def spawn(function, *arguments): return gevent.spawn(function, *arguments)
def joined(greenlets): gevent.joinall(greenlets); return [each.value for each in greenlets]
def kill(greenlet): greenlet.kill()
pause, Timeout = gevent.sleep, gevent.Timeout
"""
EVENTLET = """
import eventlet
def spawn(function, *arguments): return eventlet.spawn(function, *arguments)
def joined(greenlets): return [each.wait() for each in greenlets]
def kill(greenlet): greenlet.kill()
pause, Timeout = eventlet.sleep, eventlet.Timeout
"""
PACKAGE = "from distributed_lock import *\n"
SETTINGS = {
    "gevent": "from gevent import monkey; monkey.patch_all()\n" + PACKAGE + GEVENT,
    "gevent, late": PACKAGE + "from gevent import monkey; monkey.patch_all()\n" + GEVENT,
    "gevent, in part": "from gevent import monkey; monkey.patch_socket(); monkey.patch_time()\n"
                       + PACKAGE + GEVENT,
    "gevent, unpatched": PACKAGE + GEVENT,
    "eventlet": "import eventlet; eventlet.monkey_patch()\n" + PACKAGE + EVENTLET,
    "eventlet, late": PACKAGE + "import eventlet; eventlet.monkey_patch()\n" + EVENTLET,
    "eventlet, unpatched": PACKAGE + EVENTLET,
}
SOME = "gevent", "gevent, unpatched", "eventlet", "eventlet, unpatched"
HELP = """
import faulthandler, os, sys, time
faulthandler.dump_traceback_later(50, exit=True)
turns = 0
def turn():
    global turns
    while True:
        turns += 1
        pause(0.001)
turning = spawn(turn)
def others_ran(call, *arguments):
    "What the call returns, in which others had many turns."
    before = turns
    result = call(*arguments)
    assert turns - before > 5, (call, turns - before)
    return result
"""

WAITS = """
mutex = Mutex(lock_name="job")
def after_a_while(function, *arguments):
    def later():
        pause(0.05)
        function(*arguments)
    return spawn(later)

lease = mutex.acquire()
after_a_while(lease.release)
lease = others_ran(mutex.acquire)
assert others_ran(mutex.try_acquire, 0.05) is None
assert not others_ran(lease.lost.wait, 0.05)
lease.release()
for lock in (DistributedLock(lock_name="job"), ConditionVariable(lock_name="job")):
    lease = mutex.acquire()
    after_a_while(lease.release)
    with lock:
        pass
    lease = mutex.acquire()
    assert not others_ran(lock.acquire, True, 0.05)
    lease.release()
assert not DistributedLock(lock_name="job").locked()

document = SharedMutex(lock_name="document")
reader = document.read.acquire()
upgradeable = document.acquire_upgradeable()
assert not others_ran(upgradeable.try_upgrade, 0.05)
assert others_ran(document.try_acquire_upgradeable, 0.05) is None
after_a_while(reader.release)
others_ran(upgradeable.upgrade)
upgradeable.downgrade()
document.downgrade(upgradeable).release()
gpus = Semaphore(lock_name="gpu", permits=1)
with gpus.acquire():
    assert others_ran(gpus.try_acquire, 1, 0.05) is None
    gpus.resize(2)
    gpus.try_acquire().release()
with mutex.acquire():
    assert others_ran(lambda: try_acquire_all(None, ["job", "other"], timeout=0.05)) is None

latch = Latch(lock_name="latch")
after_a_while(latch.count_down)
assert others_ran(latch.wait)
barrier = Barrier(lock_name="barrier")
after_a_while(barrier.wait)
assert others_ran(barrier.wait)

election = Election(lock_name="scheduler")
leadership = election.campaign("me")
assert others_ran(election.try_campaign, "other", 0.05) is None
observer = election.observe()
assert observer.next().leader.value == "me"
assert others_ran(observer.next, 0.05) is None
said = []
after_a_while(lambda: said.append(leadership.proclaim("still me")))
assert others_ran(observer.next).leader.value == "still me"
while not said:  # observers may hear of it before the call has returned
    pause(0.001)
leadership.resign()
assert election.leader() is None
assert run_once(None, "once", lambda: pause(0.01)) and not run_once(None, "once", print)

filled = ConditionVariable(lock_name="filled")
items = []
def fill():
    pause(0.05)
    with ConditionVariable(lock_name="filled") as own:
        items.append(1)
        own.notify()
spawn(fill)
with filled:
    assert filled.wait_for(lambda: items, timeout=30) == [1]
    assert not others_ran(filled.wait, 0.05)
print("done")
"""

ENDS = """
def raised(kind, function):
    try:
        function()
    except kind:
        return True
def within(seconds, function):
    with Timeout(seconds):
        function()
filled = ConditionVariable(lock_name="job")
for wait in (Mutex(lock_name="job").acquire, DistributedLock(lock_name="job").acquire,
             filled.acquire, Election(lock_name="job").campaign,
             lambda: acquire_all(None, ["job", "other"]),
             Latch(lock_name="never").wait):
    with Mutex(lock_name="job").acquire() as lease:
        assert raised(Timeout, lambda: within(0.05, wait)), wait
        assert raised(Timeout, lambda: within(0.05, lease.lost.wait))
        killed = spawn(wait)
        pause(0.02)
        kill(killed)
    # Nothing is left: neither a place in the queue nor a lease.
    Mutex(lock_name="job").acquire(timeout=20).release()
    Mutex(lock_name="other").acquire(timeout=20).release()
# A greenlet that is killed just as its lease comes holds nothing.
for i in range(40):
    killed = spawn(Mutex(lock_name="job").acquire)
    pause(i * 0.00005)
    kill(killed)
    del killed
    Mutex(lock_name="job").acquire(timeout=20).release()
document = SharedMutex(lock_name="document")
with document.read.acquire(), document.acquire_upgradeable() as lease:
    assert raised(Timeout, lambda: within(0.05, lease.upgrade)) and not lease.upgraded
print("done")
"""

OWNERS = """
lock = DistributedLock(lock_name="job")
inside = []
def work():
    with lock:
        assert not inside
        inside.append(1)
        pause(0.005)
        inside.clear()
        return lock.fence
fences = joined([spawn(work) for _ in range(20)])
assert len(set(fences)) == 20, fences
lock.acquire()
def other():
    try: lock.release()
    except UsageError as error: return str(error)
assert "is not held here, but by the" in joined([spawn(other)])[0]
lock.release()
try:
    with lock: lock.acquire()
except UsageError: print("done")
"""

LOST = """
import logging
class Handler(logging.Handler):
    def emit(self, record): pause(0); lines.append(record.getMessage())
lines, told = [], []
logging.getLogger("distributed_lock").addHandler(Handler())
lease = Mutex(lock_name="job", lock_ttl=1).acquire()
def tell():
    pause(0.01)  # as in any greenlet
    assert Mutex(lock_name="other").try_acquire().fence > 0
    told.append(1)
lease.lost.add_callback(lambda: sys.exit(3))
lease.lost.add_callback(tell)
print("held", flush=True)
assert others_ran(lease.lost.wait)
while not told or not lines: pause(0.01)
del lease
print("done")
os._exit(0)
"""


class Greenlets(PackageCase):
    def run_in(self, names, program):
        for name in names:
            head = SETTINGS[name]
            with self.subTest(name):
                self.redis.flushall()
                self.assertEqual(self.assert_ends(self.start(head + HELP + program))[0], "done\n")

    def test_all_waits_let_others_run(self):
        self.run_in(SETTINGS, WAITS)

    def test_a_wait_that_is_killed_or_takes_too_long_leaves_nothing_behind(self):
        self.run_in(SOME, ENDS)

    def test_greenlets_exclude_each_other_by_one_object(self):
        self.run_in(SOME, OWNERS)

    def test_a_loss_is_told_to_greenlets_and_to_handlers_of_the_log(self):
        for name in SOME:
            head = SETTINGS[name]
            with self.subTest(name):
                self.redis.flushall()
                process = self.start(head + HELP + LOST)
                self.assertEqual(process.stdout.readline(), "held\n")
                self.redis.delete("job")
                self.assertEqual(self.assert_ends(process)[0], "done\n")

    def test_a_program_ends_while_its_greenlets_wait_and_hold(self):
        for name in SOME:
            head = SETTINGS[name]
            with self.subTest(name), self.held_elsewhere("job"):
                self.assert_ends(self.start(head + """
lease = Mutex(lock_name="other").acquire()
for wait in (Mutex(lock_name="job").acquire, lease.lost.wait): spawn(wait)
pause(0.05)
"""))
                self.assertFalse(self.redis.exists("other"))
                self.assertTrue(eventually(lambda: not self.waiters("job"), LONG))


if __name__ == "__main__":
    unittest.main()
