"""Migrates a database once, though all hosts that start a new release begin with it.

    migrate.py DATABASE [PAUSE [TTL]]

The lock lets one begin. It cannot keep one from going on who was stopped in the middle, with a
suspended machine say, until the lock was another's. The database can: it knows the greatest fence it
has seen, and each step checks it in its own transaction.
"""

import sqlite3
import sys
import time

from distributed_lock import DistributedLock, DistributedLockError

MIGRATIONS = [
    "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "ALTER TABLE user ADD COLUMN mail TEXT",
    "INSERT INTO user (name, mail) VALUES ('admin', 'admin@example.com')",
    "CREATE UNIQUE INDEX user_mail ON user (mail)",
]


class TooLate(Exception):
    pass


def check(database, fence):
    """Fails if a later holder was here. For the transaction of what it guards."""
    seen = database.execute("UPDATE migrated SET fence = ? WHERE fence <= ?", (fence, fence))
    if seen.rowcount == 0:
        raise TooLate(f"a later holder than that with fence {fence} is at work")


def enter(database, fence):
    """Shuts out all holders before this one. Returns how many migrations are done."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("CREATE TABLE IF NOT EXISTS migrated (version INTEGER, fence INTEGER)")
        if database.execute("SELECT count(*) FROM migrated").fetchone() == (0,):
            database.execute("INSERT INTO migrated VALUES (0, 0)")
        check(database, fence)
        return database.execute("SELECT version FROM migrated").fetchone()[0]


def migrate(database, fence, pause):
    for version in range(enter(database, fence), len(MIGRATIONS)):
        time.sleep(pause)  # what takes long, and may be too late when it is done
        with database:  # a transaction: the check, the step and its number, or nothing of them
            database.execute("BEGIN IMMEDIATE")
            check(database, fence)
            database.execute(MIGRATIONS[version])
            database.execute("UPDATE migrated SET version = ?", (version + 1,))
        print(f"migration {version + 1} is done", flush=True)


def main():
    path, *times = sys.argv[1:]
    pause, ttl = [*map(float, times), *(0, 30)[len(times):]]
    database = sqlite3.connect(path, isolation_level=None)  # transactions begin where we say
    try:
        with DistributedLock(lock_name="migrate users", lock_ttl=ttl) as lock:
            migrate(database, lock.fence, pause)
    except (DistributedLockError, TooLate) as error:
        sys.exit(f"migrate: {error}")
    finally:
        database.close()


if __name__ == "__main__":
    main()
