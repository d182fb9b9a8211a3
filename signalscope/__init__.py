"""See, time and control every signal of a Django project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalscope.context import SignalContext
    from signalscope.control.conditions import (
        not_raw,
        only_for_models,
        only_in_environment,
        only_when_created,
        only_when_field_changed,
        signal_condition,
    )
    from signalscope.control.disconnected import disconnected
    from signalscope.control.mute import mute, only
    from signalscope.delivery.async_signal import AsyncSignalMixin
    from signalscope.delivery.batching import batched
    from signalscope.delivery.deferred import deferred
    from signalscope.delivery.on_commit import on_commit
    from signalscope.delivery.processor import BatchedSignalProcessor
    from signalscope.logged import LoggedSignal
    from signalscope.monitor import SignalPerformanceMonitor, signal_monitor
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
    "AsyncSignalMixin",
    "BatchedSignalProcessor",
    "LoggedSignal",
    "SignalContext",
    "SignalPerformanceMonitor",
    "batched",
    "deferred",
    "disconnected",
    "flush",
    "install",
    "is_installed",
    "log",
    "mute",
    "not_raw",
    "on_commit",
    "only",
    "only_for_models",
    "only_in_environment",
    "only_when_created",
    "only_when_field_changed",
    "register",
    "signal_condition",
    "signal_monitor",
    "suppress",
    "trace",
    "track",
    "uninstall",
    "unregister",
    "untrack",
]

# Where the names are that are not in signalscope.wiring.
_HOMES = {
    "AsyncSignalMixin": "signalscope.delivery.async_signal",
    "BatchedSignalProcessor": "signalscope.delivery.processor",
    "LoggedSignal": "signalscope.logged",
    "SignalContext": "signalscope.context",
    "SignalPerformanceMonitor": "signalscope.monitor",
    "batched": "signalscope.delivery.batching",
    "deferred": "signalscope.delivery.deferred",
    "on_commit": "signalscope.delivery.on_commit",
    "disconnected": "signalscope.control.disconnected",
    "mute": "signalscope.control.mute",
    "not_raw": "signalscope.control.conditions",
    "only": "signalscope.control.mute",
    "only_for_models": "signalscope.control.conditions",
    "only_in_environment": "signalscope.control.conditions",
    "only_when_created": "signalscope.control.conditions",
    "only_when_field_changed": "signalscope.control.conditions",
    "signal_condition": "signalscope.control.conditions",
    "signal_monitor": "signalscope.monitor",
}


def __getattr__(name: str) -> Any:
    # Importing any part of the package runs this file, and core needs no database.
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "signalscope.wiring")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
