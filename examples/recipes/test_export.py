"""How to test what a program does when it loses its lock, with pytest.

`dlock_store` comes with the package: a private server for the session of tests. It needs redis-server
or valkey-server, and no server of yours.
"""

import pytest
from distributed_lock import DistributedLock, LockBusy, LockLost


def export(lock, rows, write):
    """What is tested: it must write nothing after the loss of its lock."""
    with lock:
        for row in rows:
            lock.ensure_held()
            write(row)


@pytest.fixture
def lock(dlock_store):
    return DistributedLock(dlock_store.url, lock_name="export", wait=0)


def test_it_writes_all_rows(lock):
    written = []
    export(lock, range(5), written.append)
    assert written == [0, 1, 2, 3, 4]


def test_it_stops_when_the_lock_is_lost(lock, dlock_store):
    written = []

    def write(row):
        written.append(row)
        if row == 2:
            dlock_store.lose(lock)  # as an operator does by `dlock break`

    with pytest.raises(LockLost):
        export(lock, range(5), write)
    assert written == [0, 1, 2]


def test_it_does_not_run_twice(lock, dlock_store):
    with DistributedLock(dlock_store.url, lock_name="export"), pytest.raises(LockBusy):
        export(lock, range(5), print)
