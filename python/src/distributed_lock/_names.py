"""Names of locks that come from the arguments of the function that a lock decorates."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from typing import Any, Union

from ._errors import UsageError

# A template as of str.format(), or a function of some of the arguments.
Naming = Union[str, Callable[..., str], None]
NameOf = Callable[[tuple[Any, ...], dict[str, Any]], str]


def quoted(name: str) -> str:
    """A name for a message or a log, which it cannot leave: it may come from anybody."""
    return '"' + "".join(one if one.isprintable() else one.encode("unicode_escape").decode()
                         for one in name) + '"'


def checked_name(name: object) -> str:
    """The name of a lock. Raises TypeError and UsageError for what is none."""
    if not isinstance(name, str):
        raise TypeError(f"lock_name is a str, not {type(name).__name__}: {name!r}")
    if not name:
        raise UsageError("lock_name is empty or missing; is a variable unset?")
    return name


def bytes_of(text: str) -> bytes:
    """The server's bytes: bytes that are no UTF-8 are surrogates in Python, as in file names."""
    return text.encode(errors="surrogateescape")


def text_of(data: bytes) -> str:
    """The reverse of bytes_of()."""
    return data.decode(errors="surrogateescape")


def naming_of(lock_name: str, name: Naming) -> str | Callable[..., str]:
    """The one of the two that a lock was given."""
    if name is None:
        return lock_name
    if lock_name:
        raise UsageError("lock_name and name are both given: name is for decorators, and comes from "
                         "the arguments")
    return name


def name_of(naming: str | Callable[..., str], function: Callable[..., object]) -> NameOf:
    """The name for a call of `function`. Raises UsageError if it has not the parameters for it."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise UsageError(f"{function!r} does not say what its parameters are: no name can be made "
                         "of them") from None
    make = (_formatting(naming, signature) if isinstance(naming, str)
            else _calling(naming, signature))

    def of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        name = make(bound)
        if not isinstance(name, str) or not name:
            raise UsageError(f"the name that was made of the arguments is not a text, or empty: "
                             f"{name!r}")
        return name

    return of


def _formatting(template: str, signature: inspect.Signature
                ) -> Callable[[inspect.BoundArguments], str]:
    try:
        fields = _fields(template)
    except ValueError as error:
        raise UsageError(f"name={template!r}: {error}") from None
    for field in fields:
        _require(field, signature, f"name={template!r}")

    def make(bound: inspect.BoundArguments) -> str:
        try:
            return template.format_map(_flat(bound))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UsageError(f"name={template!r}: {type(error).__name__}: {error}") from error

    return make


def _fields(template: str) -> list[str]:
    fields = []
    for _, field, spec, _ in string.Formatter().parse(template):
        if field is not None:
            fields.append(field.partition(".")[0].partition("[")[0])
            fields += _fields(spec or "")
    return fields


def _calling(naming: Callable[..., str], signature: inspect.Signature
             ) -> Callable[[inspect.BoundArguments], str]:
    try:
        wanted = inspect.signature(naming).parameters.values()
    except (TypeError, ValueError):
        raise UsageError(f"name={naming!r} does not say what its parameters are: use a lambda"
                         ) from None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in wanted):
        return lambda bound: naming(*bound.args, **bound.kwargs)
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted)
    named = [parameter for parameter in wanted if parameter.kind is not parameter.VAR_KEYWORD]
    for parameter in named:
        if parameter.default is parameter.empty:
            _require(parameter.name, signature, f"name={naming!r}")

    def make(bound: inspect.BoundArguments) -> str:
        left = dict(_flat(bound))
        args = []
        given = {}
        for parameter in named:
            if parameter.name in left:
                value = left.pop(parameter.name)
                if parameter.kind is parameter.POSITIONAL_ONLY:
                    args.append(value)
                else:
                    given[parameter.name] = value
        return naming(*args, **given, **(left if takes_all else {}))

    return make


def _require(field: str, signature: inspect.Signature, what: str) -> None:
    if not field or field.isdigit():
        raise UsageError(f"{what}: say which parameter is meant, as in {{user_id}}")
    parameters = signature.parameters
    if field not in parameters and not any(
            parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        raise UsageError(f'{what}: the function has no parameter "{field}", but '
                         + (", ".join(parameters) or "none"))


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    """The arguments by name, with those that only `**` took."""
    flat = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            flat = {**bound.arguments[parameter.name], **flat}
    return flat
