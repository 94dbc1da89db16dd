"""min_replicas: what too few replicas have is not acquired, by threads and by tasks."""

import asyncio
import unittest

from package_case import LONG, PackageCase, RedisServer, eventually  # isort: split

from distributed_lock import (
    AsyncDistributedLock,
    ConditionVariable,
    DistributedLock,
    Election,
    Mutex,
    NotReplicated,
    Semaphore,
    SharedMutex,
    UsageError,
    acquire_all,
    begin_once,
    run_once,
)
from cluster import Cluster


class Replication(PackageCase):
    def setUp(self):
        super().setUp()
        self.redis.config_set("repl-diskless-sync-delay", 0)
        self.replica = RedisServer(f"replicaof 127.0.0.1 {self.server.port}")
        self.addCleanup(self.replica.close)
        self.assertTrue(eventually(lambda: self.replica.command("INFO", "replication")[
            "master_link_status"] == "up", LONG))

    def locks(self, **options):
        shared = SharedMutex(self.redis, "shared", **options)
        return [Mutex(self.redis, "mutex", **options), shared.read, shared.write,
                Semaphore(self.redis, "semaphore", permits=2, **options)]

    def test_a_lock_is_acquired_when_the_replica_has_it(self):
        options = {"min_replicas": 1, "replication_timeout": LONG}
        for lock in self.locks(**options):
            with lock.acquire() as lease:
                self.assertTrue(lease.held)
        with acquire_all(self.redis, ["a", "b"], **options) as leases:
            self.assertTrue(leases.held)
        for name, lock in (("d", DistributedLock(self.redis, "d", **options)),
                           ("c", ConditionVariable(self.redis, "c", **options)),
                           ("e", Election(self.redis, "e", **options).campaign()),
                           ("u", SharedMutex(self.redis, "u", **options).acquire_upgradeable()),
                           ("o", begin_once(self.redis, "o", **options))):
            with lock:
                self.assertTrue(self.replica.command("EXISTS", name))

    def test_without_the_replica_it_is_an_error_and_the_lock_is_free(self):
        options = {"min_replicas": 1, "replication_timeout": 0.1}
        self.replica.stop()
        for lock in self.locks(**options):
            with self.assertRaisesRegex(NotReplicated, "0 of 1 replicas had the lock"):
                lock.acquire()
        with self.assertRaisesRegex(NotReplicated, "0 of 1 replicas had the locks"):
            acquire_all(self.redis, ["a", "b"], **options)
        for lock in self.locks():
            self.assertTrue(lock.try_acquire())
        for take in (DistributedLock(self.redis, "d", **options).acquire,
                     ConditionVariable(self.redis, "d", **options).acquire,
                     Election(self.redis, "d", **options).campaign,
                     SharedMutex(self.redis, "d", **options).acquire_upgradeable,
                     lambda: asyncio.run(self.take_in_a_task(options)),
                     lambda: run_once(self.redis, "d", lambda: self.fail("it has the lock"),
                                      **options)):
            self.assertRaises(NotReplicated, take)
            self.assertFalse(self.redis.exists("d"))

    def test_a_condition_whose_mutex_comes_back_unreplicated_is_left_without_it(self):
        changed = ConditionVariable(self.redis, "c", min_replicas=1)
        with self.assertRaises(NotReplicated), changed:
            self.replica.stop()
            changed.wait(timeout=0.01)
        self.assertFalse(self.redis.exists("c"))

    async def take_in_a_task(self, options):
        async with AsyncDistributedLock(self.redis, "d", **options):
            self.fail("it has the lock")

    def test_a_negative_number_is_wrong_usage(self):
        self.assertRaises(UsageError, Mutex, self.redis, "m", min_replicas=-1)

    def test_in_a_cluster_each_lock_needs_the_replicas_of_its_server(self):
        cluster = Cluster()
        self.addCleanup(cluster.close)
        names = ["a", "b", "c"]  # one for each primary

        async def take_all():
            locks = [Mutex(cluster.url, name, min_replicas=1, replication_timeout=1) for name in names]
            return await asyncio.gather(*(self.outcome(lock) for lock in locks))

        self.assertTrue(eventually(lambda: asyncio.run(take_all()) == [None] * 3, LONG))
        cluster.replica_of(cluster.owner("b")).stop()
        first, second, third = asyncio.run(take_all())
        self.assertEqual((first, third), (None, None))
        self.assertIn('0 of 1 replicas had the lock "b"', str(second))

    async def outcome(self, lock):
        try:
            async with lock.acquire_async():
                return None
        except NotReplicated as error:
            return error


if __name__ == "__main__":
    unittest.main()
