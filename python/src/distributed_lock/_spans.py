"""Spans of time as callers say them: seconds, or a timedelta; infinite ones are for ever."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Union

from ._errors import UsageError

Seconds = Union[float, timedelta]
_YEAR = 366 * 24 * 3600.0  # no wait is longer: that is for ever
_LONGEST = 1e12  # seconds; the library takes no longer ones


def seconds_of(span: Seconds) -> float:
    """Raises UsageError for NaN."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds != seconds:
        raise UsageError(f"not a number of seconds: {span}")
    return seconds


def milliseconds(span: Seconds) -> int:
    """Rounded up, so that a limit is never shorter than it was said to be."""
    seconds = seconds_of(span)
    return math.ceil(max(-_LONGEST, min(seconds, _LONGEST)) * 1000)


def limit_of(timeout: Seconds | None) -> int | None:
    """A wait limit as the library has it: None is none."""
    if timeout is None or seconds_of(timeout) > _YEAR:
        return None
    return milliseconds(max(seconds_of(timeout), -1.0))
