"""How blocks give back what they hold: in any case, and without hiding what their body raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import _process
from ._errors import DistributedLockError, LockLost


def release_after(release: Callable[[], None], error: BaseException | None) -> None:
    """Releases; if that fails and the body failed before, the body's exception goes on alone. So that
    it is done even if a signal handler raises meanwhile, `release()` twice must be as once."""
    try:
        _release_once(release, error)
    except DistributedLockError:
        raise
    except BaseException as raised:
        _release_once(release, raised)
        raise


def _release_once(release: Callable[[], None], error: BaseException | None) -> None:
    try:
        release()
    except DistributedLockError as failed:
        if error is None:
            raise
        note_failed_release(error, failed)


def note_failed_release(error: BaseException, failed: DistributedLockError) -> None:
    """The failure of a release as a note to the exception that is under way, and in the log; unless
    both say that the lock was lost."""
    if isinstance(error, LockLost) and isinstance(failed, LockLost):
        return
    text = f"the release failed as well: {type(failed).__name__}: {failed}"
    _process.log.error("%s", text)
    if hasattr(error, "add_note"):  # Python 3.11
        error.add_note(text)


async def release_after_async(release: Callable[[], Awaitable[None]],
                              error: BaseException | None) -> None:
    """Releases; if that fails and the body failed before, the body's exception goes on alone."""
    try:
        await release()
    except DistributedLockError as failed:
        if error is None:
            raise
        note_failed_release(error, failed)
