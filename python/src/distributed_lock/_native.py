"""The extension module, which an interpreter loads once, however often the package is imported."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_KEPT = "_distributed_lock_native"  # in `sys`, which outlives what test runners do to sys.modules


def load(package: str) -> ModuleType:
    """Raises ImportError in an interpreter inside another one, which its threads could not serve."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError("distributed_lock works in the main interpreter only: under mod_wsgi "
                              "say `WSGIApplicationGroup %{GLOBAL}`, else use processes or threads")
        break
    kept: ModuleType | None = getattr(sys, _KEPT, None)
    name = package + "._dlock"
    if kept is None:
        kept = importlib.import_module(name)
        setattr(sys, _KEPT, kept)
    sys.modules[name] = kept
    return kept
