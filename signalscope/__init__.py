"""See, time and control every signal of a Django project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalscope.context import SignalContext
    from signalscope.wiring import (
        flush,
        install,
        is_installed,
        log,
        register,
        suppress,
        trace,
        track,
        uninstall,
        unregister,
        untrack,
    )

__version__ = "0.1.0"

__all__ = [
    "SignalContext",
    "flush",
    "install",
    "is_installed",
    "log",
    "register",
    "suppress",
    "trace",
    "track",
    "uninstall",
    "unregister",
    "untrack",
]


def __getattr__(name: str) -> Any:
    # Importing any part of the package runs this file, and core needs no database.
    if name in __all__:
        home = "signalscope.context" if name == "SignalContext" else "signalscope.wiring"
        return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
