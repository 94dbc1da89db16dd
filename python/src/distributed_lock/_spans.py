"""Spans of time as callers say them: seconds, or a timedelta; infinite ones are for ever."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import SupportsFloat, Union

from ._errors import UsageError

Seconds = Union[float, timedelta]
_YEAR = 366 * 24 * 3600.0  # no wait is longer: that is for ever
_LONGEST = 1e12  # seconds; the library takes no longer ones


def seconds_of(span: Seconds, what: str = "timeout") -> float:
    """Raises TypeError for what is no span, and UsageError for NaN. `what`: its name, for messages."""
    if type(span) is int:
        return span
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    # Asking a protocol takes longer than all else.
    if type(seconds) is not float and (
            not isinstance(seconds, SupportsFloat) or isinstance(seconds, bool)):
        raise TypeError(f"{what} is a number of seconds or a timedelta, not {span!r}")
    if seconds != seconds:
        raise UsageError(f"{what} is not a number")
    return seconds


def milliseconds(span: Seconds, what: str = "timeout") -> int:
    """Rounded up, so that a limit is never shorter than it was said to be."""
    seconds = seconds_of(span, what)
    return math.ceil(max(-_LONGEST, min(seconds, _LONGEST)) * 1000)


def ttl_of(lock_ttl: Seconds) -> int:
    """Raises UsageError for one that no lock can have."""
    ms = milliseconds(lock_ttl, "lock_ttl")
    if ms < 10:
        raise UsageError(f"lock_ttl is {seconds_of(lock_ttl):g} s; it must be from 0.01 s to 10 years")
    return ms


def limit_of(timeout: Seconds | None, what: str = "timeout") -> int | None:
    """A wait limit as the library has it: None is none."""
    if timeout is None or seconds_of(timeout, what) > _YEAR:
        return None
    return milliseconds(max(seconds_of(timeout, what), -1.0), what)
