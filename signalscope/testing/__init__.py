"""What tests of a project use: see what is sent, and leave receivers as they were found."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signalscope.testing.captured import capture
    from signalscope.testing.cases import SignalTestCase, SignalTestMixin
    from signalscope.testing.deliveries import hold_deliveries, run_deliveries
    from signalscope.testing.expectations import (
        assert_budget,
        assert_not_sent,
        assert_order,
        assert_received_by,
        assert_sent,
    )
    from signalscope.testing.factories import mute_signals

__all__ = [
    "SignalTestCase",
    "SignalTestMixin",
    "assert_budget",
    "assert_not_sent",
    "assert_order",
    "assert_received_by",
    "assert_sent",
    "capture",
    "hold_deliveries",
    "mute_signals",
    "run_deliveries",
]

# Where the names are that are not in signalscope.testing.expectations.
_HOMES = {
    "SignalTestCase": "signalscope.testing.cases",
    "SignalTestMixin": "signalscope.testing.cases",
    "capture": "signalscope.testing.captured",
    "hold_deliveries": "signalscope.testing.deliveries",
    "mute_signals": "signalscope.testing.factories",
    "run_deliveries": "signalscope.testing.deliveries",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run, by its plugin: also without Django.
    if name in __all__:
        home = import_module(_HOMES.get(name, "signalscope.testing.expectations"))
        return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
