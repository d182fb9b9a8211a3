"""Tells the project, by signals of signalscope's own, what came of a dispatch."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Any

from django.dispatch import Signal

logger = logging.getLogger("signalscope")

# Whether the running code is called by a signal of these.
_IS_TELLING: ContextVar[bool] = ContextVar("signalscope_tells", default=False)


def is_telling() -> bool:
    """Tell whether a receiver of such a signal is what runs: it is not told of its own doing."""
    return _IS_TELLING.get()


def tell(signal: Signal, sender: object, **named: Any) -> None:
    """Send a signal of signalscope's own robustly, and log where even that fails."""
    token = _IS_TELLING.set(True)
    try:
        signal.send_robust(sender, **named)
    except Exception:
        # Django cannot call async receivers from a sync send in an event loop's own thread.
        logger.exception("Not all receivers were told; after asend() async ones cannot be.")
    finally:
        _IS_TELLING.reset(token)
