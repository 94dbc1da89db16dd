"""Driver of the Python peers: redis-py's Lock, python-redis-lock, and distributed-lock, which is not
measured: it polls once a second. Protocol: bench/driver.py."""

import array
import os
import sys
import threading
import time

import distributed_lock
import redis
import redis_lock


def acquire_redis_py(client, name, ttl_ms, **options):
    lock = client.lock(name, timeout=ttl_ms / 1000, **options)
    lock.acquire()
    return lock.release


def acquire_python_redis_lock(client, name, ttl_ms):
    lock = redis_lock.Lock(client, name, expire=max(1, round(ttl_ms / 1000)))
    lock.acquire()
    return lock.release


def acquire_distributed_lock(client, name, ttl_ms):
    lock = distributed_lock.DistributedLock(client, name, lock_ttl=max(1, round(ttl_ms / 1000)),
                                            poll_time=0.02)
    lock.__enter__()
    return lambda: lock.__exit__(None, None, None)


ACQUIRE = {
    "distributed-lock": acquire_distributed_lock,
    "redis-py": acquire_redis_py,
    "redis-py-1ms": lambda *rest: acquire_redis_py(*rest, sleep=0.001),
    "python-redis-lock": acquire_python_redis_lock,
}


class Run:
    def __init__(self, url, subject, mode, name, workers, count, hold_ms, ttl_ms, file):
        self.client = redis.Redis.from_url(url)
        self.acquire = ACQUIRE[subject]
        self.own = mode == "own"
        self.name = name
        self.count = int(count)
        self.hold = int(hold_ms) / 1000
        self.ttl_ms = int(ttl_ms)
        self.file = file
        self.errors = 0
        self.samples = [array.array("q") for _ in range(int(workers))]
        for worker in range(len(self.samples)):
            self.acquire(self.client, f"warm:{os.getpid()}:{worker}", self.ttl_ms)()

    def work(self, worker, begin, end):
        name = f"{self.name}:{os.getpid()}:{worker}" if self.own else self.name
        samples = self.samples[worker]
        time.sleep(max(0, begin - time.monotonic_ns()) / 1e9)
        done = 0
        while (not self.count or done < self.count) and time.monotonic_ns() < end:
            try:
                asked = time.monotonic_ns()
                release = self.acquire(self.client, name, self.ttl_ms)
                acquired = time.monotonic_ns()
                if self.hold:
                    time.sleep(self.hold)
                releasing = time.monotonic_ns()
                release()
                samples.extend((worker, asked, acquired, releasing, time.monotonic_ns()))
            except Exception as error:
                self.errors += 1
                print(error, file=sys.stderr)
            done += 1

    def go(self, begin, end):
        threads = [threading.Thread(target=self.work, args=(worker, begin, end))
                   for worker in range(len(self.samples))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with open(self.file, "wb") as file:
            for samples in self.samples:
                samples.tofile(file)
        return sum(map(len, self.samples)) // 5


def main(url):
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "start":
            run = Run(url, *words[1:])
            print("armed", flush=True)
        elif words[0] == "go":
            acquired = run.go(int(words[1]), int(words[2]))
            print("done", acquired, run.errors, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
