"""What a client tells of itself: statistics by group, and events."""

import asyncio
import dataclasses
import pickle
import threading
import time
import unittest

from package_case import LONG, PackageCase, eventually  # isort: split

from distributed_lock import (
    Client,
    ConditionVariable,
    Deadlock,
    DistributedLock,
    Election,
    LockLost,
    Mutex,
    SharedMutex,
    UsageError,
    begin_once,
    break_lock,
    list_locks,
    stats,
)
from distributed_lock.testing import lose


class Statistics(PackageCase):
    def test_they_are_counted_by_kind_way_reason_and_group(self):
        client = Client(self.redis, prefix="p:", group=lambda name: name.partition(":")[0])
        with Mutex(client, "order:1"), SharedMutex(client, "map:1").read:
            held = client.stats()
            self.assertEqual((held.held, held.groups["order"].held), (2, 1))
        lease = Mutex(client, "order:2").acquire()
        lose(client, lease)
        self.assertRaises(LockLost, lease.release)
        with self.held_elsewhere("p:order:3"):
            self.assertIsNone(Mutex(client, "order:3").try_acquire(0.02))
        now = client.stats()
        self.assertEqual(list(now.groups), ["", "order", "map"])
        order = now.groups["order"]
        self.assertEqual((order.acquired, order.released, order.lost, order.timed_out, order.held),
                         (2, 1, 1, 1, 0))
        self.assertEqual(order.acquisitions["mutex"], {"request": 2, "grant": 0, "passing": 0})
        self.assertEqual(now.groups["map"].acquisitions["reader"]["request"], 1)
        self.assertEqual({reason for reason, count in order.losses.items() if count}, {"broken"})
        self.assertEqual((now.acquired, now.wait.count, now.hold.count), (3, 3, 3))
        self.assertGreater(now.sent_bytes, now.commands)
        self.assertGreater(now.received_bytes, 0)
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, now, "acquired", 0)
        self.assertEqual(pickle.loads(pickle.dumps(now)), now)

    def test_histograms_have_quantiles(self):
        client = Client(self.redis)
        with Mutex(client, "job"):
            pass
        wait = client.stats().wait
        self.assertEqual((len(wait.counts), sum(wait.counts)), (len(wait.bounds) + 1, 1))
        place = wait.counts.index(1)
        lower, upper = (0.0, *wait.bounds)[place], wait.bounds[place]
        self.assertTrue(lower < wait.sum <= upper)
        self.assertEqual((wait.quantile(0), wait.quantile(1)), (lower, upper))
        self.assertAlmostEqual(wait.quantile(0.5), (lower + upper) / 2)
        self.assertEqual(client.stats().handoff_gap.quantile(0.99), 0)

    def test_a_handoff_is_a_grant_with_a_gap(self):
        client = Client(self.redis)
        with self.held_elsewhere("job"):
            thread = threading.Thread(target=lambda: Mutex(client, "job").acquire().release())
            thread.start()
            self.assertTrue(eventually(lambda: client.stats().waiting == 1
                                       and self.waiters("job") == 1))
        thread.join(LONG)
        now = client.stats()
        self.assertEqual((now.granted, now.acquisitions["mutex"]["grant"], now.handoff_gap.count),
                         (1, 1, 1))

    def test_elections_say_whether_this_client_leads(self):
        client = Client(self.redis)
        with Election(client, "web").campaign():
            self.assertEqual(client.stats().elections, {"web": True})
        self.assertEqual(client.stats().elections, {"web": False})

    def test_what_the_group_function_raises_goes_to_who_makes_the_lock(self):
        client = Client(self.redis, group=lambda name: {"a": "letters", "b": 3}[name])
        Mutex(client, "a")
        self.assertRaises(KeyError, Mutex, client, "c")
        self.assertRaises(KeyError, begin_once, client, "c")  # without the GIL
        self.assertRaisesRegex(TypeError, "no str", Mutex, client, "b")

    def test_a_client_is_where_locks_live(self):
        client = Client(self.server.url, prefix="p:")
        with DistributedLock(client, "job"):
            self.assertTrue(self.redis.exists("p:job"))
            self.assertEqual([one.name for one in list_locks(client)], ["job"])
        self.assertRaisesRegex(UsageError, "prefix", Mutex, client, "job", prefix="q:")
        self.assertRaises(UsageError, Client, client)
        self.assertRaises(UsageError, Client, self.redis, slow_wait=-1)
        self.assertRaises(TypeError, pickle.dumps, client)
        self.assertEqual((client.stats().acquired, stats(self.redis).acquired), (1, 0))


class Events(PackageCase):
    def setUp(self):
        super().setUp()
        self.events = []

    def client(self, **options):
        return Client(self.redis, on_event=self.events.append, **options)

    def kinds(self):
        return [event.kind for event in self.events]

    def assert_told(self, *kinds):
        self.assertTrue(eventually(lambda: len(self.events) >= len(kinds)), self.events)
        self.assertEqual(self.kinds(), list(kinds))
        return self.events

    def test_a_lease_has_a_begin_and_an_end(self):
        client = self.client(prefix="p:")
        before = time.time()
        with SharedMutex(client, "map \u00fc").read.acquire() as lease:
            pass
        begin, end = self.assert_told("acquired", "released")
        self.assertEqual((begin.name, begin.lock, begin.fence, begin.way),
                         ("map \u00fc", "reader", lease.fence, "request"))
        self.assertTrue(before - 0.01 <= begin.at <= end.at <= time.time() + 0.01)
        self.assertTrue(0 < begin.waited < LONG and 0 < end.held < LONG)
        self.assertEqual((end.way, end.reason, end.store, end.place, end.dropped),
                         (None, None, None, 0, 0))
        self.assertIn("reader", end.text)

    def test_a_loss_has_its_reason(self):
        client = self.client()
        with self.assertRaises(LockLost), Mutex(client, "job") as lease:
            lose(client, lease)
        lost = self.assert_told("acquired", "lost")[1]
        self.assertEqual((lost.reason, lost.fence), ("broken", lease.fence))

    def test_a_long_wait_is_told_with_who_holds_the_lock(self):
        client = self.client(slow_wait=0.02)
        with self.held_elsewhere("job"), self.assertLogs("distributed_lock") as log:
            self.assertIsNone(Mutex(client, "job").try_acquire(0.3))
            waiting, ended = self.assert_told("waiting", "timed_out")
        self.assertEqual((waiting.place, ended.place, len(waiting.store.waiters)), (1, 1, 1))
        self.assertGreater(waiting.store.holder.pid, 0)
        self.assertTrue(0.02 <= waiting.waited <= ended.waited)
        self.assertIn(waiting.text, log.output[0])

    def test_a_deadlock_of_two_clients_is_told_to_the_one_that_gives_up(self):
        clients = {name: self.client() for name in "ab"}
        both_hold, gave_up = threading.Barrier(2), []

        def go(mine, other):
            # Its thread has to release it, unlike a lease, which any thread may.
            with ConditionVariable(clients[mine], mine):
                both_hold.wait(LONG)
                try:
                    Mutex(clients[mine], other).acquire(LONG).release()
                except Deadlock as error:
                    gave_up.append((mine, other, str(error)))

        threads = [threading.Thread(target=go, args=names) for names in ("ab", "ba")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        (mine, other, text), = gave_up
        for held, wanted in (mine, other), (other, mine):
            self.assertRegex(text, f'"{held}" is held by [^;]*, which waits for "{wanted}"')
        self.assertTrue(eventually(lambda: self.kinds().count("released") == 3), self.kinds())
        told = [event for event in self.events if event.kind == "deadlock"]
        self.assertEqual([(one.name, one.lock, one.fence) for one in told], [(other, "mutex", 0)])
        self.assertGreater(told[0].waited, 0)
        self.assertTrue(told[0].text.endswith("deadlock"), told[0].text)
        self.assertEqual([clients[name].stats().deadlocks for name in (mine, other)], [1, 0])

    def test_leaders_are_told(self):
        client = self.client()
        Election(client, "web").campaign().resign()
        self.assert_told("acquired", "elected", "deposed", "released")

    def test_a_handler_may_use_the_client_and_fail(self):
        def handle(event):
            self.events.append(event)
            if event.kind == "acquired":
                break_lock(client, event.name, event.fence)
                raise SystemExit("no end of the program")

        client = Client(self.redis, on_event=handle)
        with self.assertLogs("distributed_lock", "ERROR") as log:
            with self.assertRaises(LockLost), Mutex(client, "job"):
                self.assert_told("acquired", "lost")
        self.assertIn("on_event failed", log.output[0])
        self.assertEqual(client.stats().lost, 1)

    def test_asyncio_is_told_in_its_loop(self):
        async def main():
            loop, told = asyncio.get_running_loop(), asyncio.Queue()
            client = Client(self.redis, on_event=lambda event: loop.call_soon_threadsafe(
                told.put_nowait, event))
            async with Mutex(client, "job"):
                pass
            return [(await asyncio.wait_for(told.get(), LONG)).kind for _ in range(2)]

        self.assertEqual(asyncio.run(main()), ["acquired", "released"])

    def test_what_is_left_at_the_end_of_the_program_is_told(self):
        process = self.start("from distributed_lock import Client, Mutex\n"
                             "client = Client(on_event=lambda event: print(event.kind, flush=True))\n"
                             "lease = Mutex(client, 'job').acquire()\n")
        out, _ = self.assert_ends(process)
        self.assertEqual(out.split(), ["acquired", "released"])


if __name__ == "__main__":
    unittest.main()
