"""Help for the tests of programs that use locks: a server that ends with the test, and a lease that
the test takes away. Not needed in production, and not imported by the package.

    with Server() as server, DistributedLock(server.url, "job") as lock:
        lose(server.url, lock)
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from . import _bundled_server
from ._distributed_lock import AsyncDistributedLock, DistributedLock
from ._dlock import Server as _Server
from ._election import Leadership
from ._errors import Unreachable
from ._inspect import break_lock
from ._lease import Held, Lease
from ._names import quoted
from ._shared_mutex import UpgradeableLease
from ._store import Store

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Server", "lose"]

_PATIENCE = 10.0  # seconds


class Server:
    """A Redis server of its own, for one test or one session of tests: empty, quick to start, on a
    unix socket in a temporary directory, without persistence. It ends with close(), with its `with`
    block, when nobody has it any more, and also when the process is killed. Needs `redis-server` or
    `valkey-server` in $PATH, or $DLOCK_REDIS_SERVER, or the extra "local" of this package. Raises Unreachable if there is no such program,
    or if it does not answer within 10 s. Thread-safe."""

    def __init__(self) -> None:
        _bundled_server.offer()
        self._server = _Server()

    @property
    def url(self) -> str:
        """The URL: for locks in place of a client of redis-py, for $DLOCK_URL and for `--url`."""
        return self._server.url()

    def pause(self) -> None:
        """Stops the server's process, so that it answers nothing until resume(): clients see a
        server that hangs, and leases run out."""
        self._server.pause()

    def resume(self) -> None:
        """Lets a paused server go on."""
        self._server.resume()

    def lose(self, held: Lease | UpgradeableLease | Leadership | DistributedLock
             | AsyncDistributedLock, *, prefix: str = "") -> None:
        """Takes away a lock that is on this server: lose(), with its URL."""
        lose(self.url, held, prefix=prefix)

    def close(self) -> None:
        """Ends the server and removes its directory; twice does nothing."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def lose(client: Store, held: Lease | UpgradeableLease | Leadership | DistributedLock
         | AsyncDistributedLock, *, prefix: str = "") -> None:
    """Takes a lock away, as an operator does with `dlock break`, and returns when the holder knows:
    `lost` is set, and ensure_held() raises LockLost. `held` is a lease, a leadership, or a lock
    object that the caller holds; `client` and `prefix` say where it is. Raises UsageError if it
    holds nothing, LockLost if it was lost before, and Unreachable if the server or the holder does
    not answer within 10 s."""
    lease = held if isinstance(held, Held) else held.lease
    lease.ensure_held()
    fence = lease.term if isinstance(lease, Leadership) else lease.fence
    break_lock(client, lease.name, fence, prefix=prefix)
    if not lease.lost.wait(_PATIENCE):
        raise Unreachable(f"the holder of {quoted(lease.name)} did not learn that its lock was broken")
