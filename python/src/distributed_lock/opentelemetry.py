"""Spans of OpenTelemetry, made of the events of a Client. Needs `opentelemetry-api`; not imported by
the package.

    client = Client(redis, on_event=Spans(), slow_wait=10)
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from ._events import Event

try:
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        Span,
        Status,
        StatusCode,
        TracerProvider,
        get_tracer,
    )
except ImportError as error:
    raise ImportError("distributed_lock.opentelemetry needs OpenTelemetry: install it with "
                      "`pip install opentelemetry-api`") from error

__all__ = ["Spans"]

# By the kind of event. What began by "elected" is told at its end, by "deposed".
_NAMES = {
    "acquired": "dlock acquire",
    "timed_out": "dlock acquire",
    "deadlock": "dlock acquire",
    "waiting": "dlock wait",
    "released": "dlock hold",
    "lost": "dlock hold",
    "deposed": "dlock lead",
}


class Spans:
    """An `on_event` that makes a span of what is over: "dlock acquire" from a call to its lease,
    time-out or deadlock; "dlock hold" from a lease to its release or loss; "dlock lead" likewise of a
    leadership; and "dlock wait" up to the moment when a wait has lasted for `slow_wait`, with who
    holds the lock. A span of what went wrong has the status of an error, and `error.type`:
    "timed_out", "deadlock", or the reason of the loss.

    `tracer_provider`: the global one by default. The library tells events on a thread of its own,
    where no span is current, so the spans are roots, unless `context(event)` returns the context of
    their parent. Thread-safe."""

    def __init__(self, tracer_provider: TracerProvider | None = None, *,
                 context: Callable[[Event], Context | None] | None = None) -> None:
        self._tracer = get_tracer("distributed_lock", _version(), tracer_provider)
        self._context = context

    def __call__(self, event: Event) -> None:
        name = _NAMES.get(event.kind)
        if name is None:
            return
        parent = None if self._context is None else self._context(event)
        end = round(event.at * 1e9)
        span = self._tracer.start_span(
            name, Context() if parent is None else parent,
            start_time=end - round((event.held or event.waited) * 1e9))
        _describe(span, event)
        span.end(end)


def _describe(span: Span, event: Event) -> None:
    if not span.is_recording():
        return
    attributes: dict[str, str | int | None] = {
        "dlock.lock.name": event.name,
        "dlock.lock.kind": event.lock,
        "dlock.fence": str(event.fence) if event.fence else None,  # JavaScript's numbers are too small
        "dlock.way": event.way,
        "dlock.place": event.place or None,
    }
    if event.store is not None:
        attributes["dlock.waiters"] = len(event.store.waiters)
        holder = event.store.holder
        if holder is not None:
            attributes.update({"dlock.holder.host": holder.host, "dlock.holder.pid": holder.pid,
                               "dlock.holder.program": holder.program,
                               "dlock.holder.label": holder.label})
    error = event.kind if event.kind in ("timed_out", "deadlock") else event.reason
    if error is not None:
        attributes["error.type"] = error
        span.set_status(Status(StatusCode.ERROR, event.text))
    span.set_attributes({key: value for key, value in attributes.items() if value is not None})


def _version() -> str | None:
    try:
        return version("distributed_lock")
    except PackageNotFoundError:
        return None
