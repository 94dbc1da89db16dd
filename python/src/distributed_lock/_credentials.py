"""Users and passwords that change: the program's function, or the provider of a client of redis-py."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Optional, Union

from ._errors import UsageError
from ._names import bytes_of
from ._spans import Seconds, milliseconds

# A user, None for the default user, and a password; then until when: a number of seconds from now on,
# a timedelta, or a datetime.
Login = Union[tuple[Optional[str], str], tuple[Optional[str], str, Union[Seconds, datetime, None]]]
Credentials = Callable[[], Login]
Native = Callable[[None], Union[tuple[bytes, bytes, Optional[int]], bytes]]

# Providers do not say when their tokens end, but keep them and know when to get another one.
PROVIDER_LIFE = 300.0


def of_provider(provider: Any) -> Credentials:
    """A function that asks a CredentialProvider of redis-py, also one for asyncio alone."""

    def ask() -> Login:
        try:
            given = provider.get_credentials()
        except NotImplementedError:
            given = asyncio.run(provider.get_credentials_async())
        user, password = (None, *given) if len(given) == 1 else given
        return user, password, PROVIDER_LIFE

    return ask


def asking(credentials: Credentials) -> Native:
    """For the library, whose threads cannot be told of an exception."""

    def ask(_: None) -> tuple[bytes, bytes, int | None] | bytes:
        try:
            login = credentials()
            end = login[2] if len(login) == 3 else None
            return bytes_of(login[0] or ""), bytes_of(login[1]), _life_of(end)
        except BaseException as error:
            return f"{type(error).__name__}: {error}".encode(errors="replace")

    return ask


def _life_of(end: Seconds | datetime | None) -> int | None:
    if end is None:
        return None
    if isinstance(end, datetime):
        if end.tzinfo is None:
            raise UsageError("the end of the credentials is a datetime without a time zone")
        end = max(end.timestamp() - time.time(), 0)
    return milliseconds(end, "the end of the credentials")


def checked(credentials: Credentials | None) -> Credentials | None:
    if credentials is not None and not callable(credentials):
        raise UsageError("credentials is a function that returns a user and a password")
    return credentials
