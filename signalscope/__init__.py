"""See, time and control every signal of a Django project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalscope.wiring import (
        flush,
        install,
        is_installed,
        register,
        suppress,
        trace,
        uninstall,
        unregister,
    )

__version__ = "0.1.0"

__all__ = [
    "flush",
    "install",
    "is_installed",
    "register",
    "suppress",
    "trace",
    "uninstall",
    "unregister",
]


def __getattr__(name: str) -> Any:
    # Importing any part of the package runs this file, and core needs no database.
    if name in __all__:
        return getattr(import_module("signalscope.wiring"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
