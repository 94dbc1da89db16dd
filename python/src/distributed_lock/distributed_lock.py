"""The module in which the package distributed-lock 1.0 has its class, for programs that import it."""

from ._distributed_lock import DistributedLock

__all__ = ["DistributedLock"]
