"""The guard around signalscope's own code: its faults are logged once per kind, never raised."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("signalscope")

_seen: set[tuple[str, str]] = set()
# Tests put a list here, to fail on any fault.
caught: list[BaseException] | None = None


def fault(where: str, error: BaseException) -> None:
    """
    Report a fault of signalscope's own, once per place and type of error.

    where: what was being done, such as "recording a dispatch".
    The host goes on as if nothing had happened.
    """
    if isinstance(error, RecursionError):
        # The host ran out of stack; that this was noticed here is chance.
        return
    if caught is not None:
        caught.append(error)
    kind = (where, type(error).__qualname__)
    if kind in _seen or sys.is_finalizing():
        return
    _seen.add(kind)
    logger.error(
        "signalscope failed while %s; the project is not affected. Please report this.",
        where,
        exc_info=error,
    )


def reset() -> None:
    """Forget which faults were reported."""
    _seen.clear()
