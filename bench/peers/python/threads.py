"""Subjects whose workers are threads. Each makes a function that acquires a name and returns the
function that releases it. They import late: dlock is installed apart from its peers."""

import threading
import time


def dlock(url, ttl):
    from distributed_lock import DistributedLock

    def acquire(name):
        lock = DistributedLock(url, lock_name=name, lock_ttl=ttl)
        lock.acquire()
        return lock.release
    return acquire


def redis_client(url):
    import redis
    return redis.Redis.from_url(url.replace("redis+unix:", "unix:"))


def redis_py(url, ttl, **options):
    client = redis_client(url)

    def acquire(name):
        lock = client.lock(name, timeout=ttl, **options)
        lock.acquire()
        return lock.release
    return acquire


def python_redis_lock(url, ttl):
    import redis_lock
    client = redis_client(url)

    def acquire(name):
        lock = redis_lock.Lock(client, name, expire=max(1, round(ttl)))
        lock.acquire()
        return lock.release
    return acquire


def distributed_lock(url, ttl):
    """The package of that name, whose module has the name of ours. The tests use it: it polls, and
    its release is a plain DEL, so it is not measured."""
    from distributed_lock import DistributedLock
    client = redis_client(url)

    def acquire(name):
        lock = DistributedLock(client, name, lock_ttl=max(1, round(ttl)), poll_time=0.02)
        lock.__enter__()
        return lambda: lock.__exit__(None, None, None)
    return acquire


def pottery(url, ttl):
    from pottery import Redlock
    masters = {redis_client(url)}

    def acquire(name):
        lock = Redlock(key=name, masters=masters, auto_release_time=ttl)
        lock.acquire()
        return lock.release
    return acquire


SUBJECTS = {
    "dlock-python": dlock,
    "redis-py": redis_py,
    "redis-py-1ms": lambda url, ttl: redis_py(url, ttl, sleep=0.001),
    "python-redis-lock": python_redis_lock,
    "distributed-lock": distributed_lock,
    "pottery": pottery,
}


class Threads:
    """A run, connected."""

    def __init__(self, url, run):
        self._run = run
        self._acquire = SUBJECTS[run.subject](url, run.ttl)
        for worker in run.workers:
            self._acquire(run.warm_name(worker))()

    def go(self, begin, end):
        threads = [threading.Thread(target=self._work, args=(worker, begin, end))
                   for worker in self._run.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, worker, begin, end):
        run = self._run
        name, samples, done = run.name_of(worker), run.samples[worker], 0
        time.sleep(max(0, begin - time.monotonic_ns()) / 1e9)
        while run.goes_on(done, end):
            try:
                asked = time.monotonic_ns()
                release = self._acquire(name)
                acquired = time.monotonic_ns()
                if run.hold:
                    time.sleep(run.hold)
                releasing = time.monotonic_ns()
                release()
                samples.extend((worker, asked, acquired, releasing, time.monotonic_ns()))
            except Exception as error:
                run.fail(error)
            done += 1
