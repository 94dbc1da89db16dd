"""Functions that hold a lock exactly while their body runs, of whatever kind they are."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast

from ._errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Kind = Literal["function", "generator", "coroutine", "async generator"]

# What runs the body, or the rest of it, after the call has returned. The last is what a function has
# made that contextlib decorated.
_LAZY = (Coroutine, Generator, AsyncGenerator,
         getattr(contextlib, "_GeneratorContextManagerBase", Coroutine))
_LATER = (*_LAZY, Awaitable)


class Block(Protocol):
    """A context manager of both kinds."""

    def __enter__(self) -> object: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None: ...


# What a call with these arguments runs in, for a function.
BlockFor = Callable[[Callable[..., object]], Callable[[Args, Kwargs], Block]]


def kind_of(function: Callable[..., object]) -> Kind:
    """The kind of a call's result, as far as the function tells."""
    while isinstance(function, functools.partial):
        function = function.func
    for one in (function, getattr(type(function), "__call__", None)):
        code = getattr(getattr(one, "__func__", one), "__code__", None)
        if inspect.iscoroutinefunction(one) or _is_marked(one) or (
                code is not None and code.co_flags & inspect.CO_ITERABLE_COROUTINE):
            return "coroutine"
        if inspect.isasyncgenfunction(one):
            return "async generator"
        if inspect.isgeneratorfunction(one):
            return "generator"
    return "function"


def _is_marked(function: object) -> bool:
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)  # until Python 3.13; of Cython, too
    return mark is not None and getattr(function, "_is_coroutine", None) is mark


def decorated(function: Callable[P, R], block_for: BlockFor, *,
              is_async: bool = False) -> Callable[P, R]:
    """`function`, whose body runs in a block. `is_async`: the block can only be awaited. Raises
    UsageError for what has no body that could be held."""
    if isinstance(function, (classmethod, staticmethod)):
        inner = decorated(function.__func__, block_for, is_async=is_async)
        return cast("Callable[P, R]", type(function)(inner))
    if isinstance(function, type):
        raise UsageError(f"a lock does not decorate classes: decorate the methods of "
                         f"{function.__name__} that are to hold it")
    if not callable(function):
        raise UsageError(f"a lock decorates functions, not {function!r}: put it below @property "
                         "and the like, next to the function")
    kind = kind_of(function)
    if is_async and kind in ("function", "generator"):
        if kind_of(inspect.unwrap(function)) in ("function", "generator"):
            raise UsageError(f"{_name(function)} is no coroutine function, and cannot await the "
                             "lock: decorate it with DistributedLock; or say `async def`, or "
                             "inspect.markcoroutinefunction(), if it returns an awaitable")
        kind = "coroutine"
    wrap = {"function": _function, "generator": _generator, "coroutine": _coroutine,
            "async generator": _async_generator}[kind]
    return cast("Callable[P, R]", functools.wraps(function)(wrap(function, block_for(function))))


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def refuse_later(function: Callable[..., object], result: object,
                 kinds: tuple[Any, ...] = _LATER) -> None:
    """Raises UsageError if what a call returned has still to run."""
    if result is None or not isinstance(result, kinds):
        return
    if isinstance(result, (Coroutine, Generator)):
        result.close()  # it never began
    raise UsageError(f"{_name(function)} returned {type(result).__name__}, whose body would run "
                     "without the lock: say `async def`, or inspect.markcoroutinefunction(); "
                     "or decorate the generator itself, below @contextmanager too")


def _function(function: Callable[..., Any], block: Callable[[Args, Kwargs], Block]
              ) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with block(args, kwargs):
            result = function(*args, **kwargs)
            refuse_later(function, result)
            return result

    return call


def _generator(function: Callable[..., Any], block: Callable[[Args, Kwargs], Block]
               ) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with block(args, kwargs):
            return (yield from function(*args, **kwargs))

    return call


def _coroutine(function: Callable[..., Any], block: Callable[[Args, Kwargs], Block]
               ) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        async with block(args, kwargs):
            result = await function(*args, **kwargs)
            refuse_later(function, result, _LAZY)
            return result

    return call


def _async_generator(function: Callable[..., Any], block: Callable[[Args, Kwargs], Block]
                     ) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        async with block(args, kwargs):
            values = function(*args, **kwargs)
            step = values.__anext__()
            try:
                while True:
                    try:
                        value = await step
                    except StopAsyncIteration:
                        return
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        step = values.athrow(error)
                    else:
                        step = values.asend(sent)
            finally:
                await values.aclose()

    return call
