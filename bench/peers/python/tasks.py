"""Subjects whose workers are tasks of asyncio, on one thread. Each makes what closes it, and a
function that acquires a name and returns the function that releases it."""

import asyncio
import time


def dlock(url, ttl):
    from distributed_lock import AsyncDistributedLock

    async def acquire(name):
        lock = AsyncDistributedLock(url, lock_name=name, lock_ttl=ttl)
        await lock.acquire()
        return lock.release

    async def close():
        pass
    return acquire, close


def redis_client(url):
    import redis.asyncio
    return redis.asyncio.Redis.from_url(url.replace("redis+unix:", "unix:"))


def redis_py(url, ttl):
    client = redis_client(url)

    async def acquire(name):
        lock = client.lock(name, timeout=ttl)
        await lock.acquire()
        return lock.release
    return acquire, client.aclose


def pottery(url, ttl):
    from pottery import AIORedlock
    client = redis_client(url)

    async def acquire(name):
        lock = AIORedlock(key=name, masters={client}, auto_release_time=ttl)
        await lock.acquire()
        return lock.release
    return acquire, client.aclose


SUBJECTS = {
    "dlock-asyncio": dlock,
    "redis-py-asyncio": redis_py,
    "pottery-asyncio": pottery,
}


class Tasks:
    """A run, connected, with an event loop of its own."""

    def __init__(self, url, run):
        self._run = run
        self._runner = asyncio.Runner()
        self._runner.run(self._arm(url))

    async def _arm(self, url):
        self._acquire, self._close = SUBJECTS[self._run.subject](url, self._run.ttl)
        for worker in self._run.workers:
            release = await self._acquire(self._run.warm_name(worker))
            await release()

    def go(self, begin, end):
        with self._runner:
            self._runner.run(self._work_all(begin, end))

    async def _work_all(self, begin, end):
        await asyncio.sleep(max(0, begin - time.monotonic_ns()) / 1e9)
        await asyncio.gather(*(self._work(worker, end) for worker in self._run.workers))
        await self._close()

    async def _work(self, worker, end):
        run = self._run
        name, samples, done = run.name_of(worker), run.samples[worker], 0
        while run.goes_on(done, end):
            try:
                asked = time.monotonic_ns()
                release = await self._acquire(name)
                acquired = time.monotonic_ns()
                if run.hold:
                    await asyncio.sleep(run.hold)
                releasing = time.monotonic_ns()
                await release()
                samples.extend((worker, asked, acquired, releasing, time.monotonic_ns()))
            except Exception as error:
                run.fail(error)
            done += 1
