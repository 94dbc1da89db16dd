"""The plugin for pytest, which pytest finds by itself where the package is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .testing import Server


@pytest.fixture(scope="session")
def dlock_store() -> Iterator[Server]:
    """A private server for this session of tests, which ends with it; under pytest-xdist each process
    has one. `dlock_store.url` is for locks in place of a client of redis-py, `dlock_store.lose(lock)`
    takes a lock away from its holder."""
    with Server() as server:
        yield server
