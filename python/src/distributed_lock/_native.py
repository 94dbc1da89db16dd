"""The extension module, which an interpreter loads once from each file, however often the package is
imported; and its exceptions with it, so that they are the same classes each time."""

from __future__ import annotations

import importlib
import importlib.util
import os
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
    if not hasattr(sys, _KEPT):
        setattr(sys, _KEPT, {})
    kept: dict[tuple[int, int], tuple[ModuleType, ModuleType]] = getattr(sys, _KEPT)
    file = _file(package)
    if file not in kept:
        dlock = importlib.import_module(package + "._dlock")
        errors = importlib.import_module(package + "._errors")
        dlock.set_errors(errors.CLASSES)
        kept[file] = (dlock, errors)
    dlock, errors = kept[file]
    sys.modules[package + "._dlock"] = dlock
    sys.modules[package + "._errors"] = errors
    return dlock


def _file(package: str) -> tuple[int, int]:
    found = importlib.util.find_spec(package + "._dlock")
    if found is None or found.origin is None:
        raise ImportError("the extension module of distributed_lock is missing for this version of "
                          "Python: install the package with the Python that runs this")
    status = os.stat(found.origin)
    return status.st_dev, status.st_ino
