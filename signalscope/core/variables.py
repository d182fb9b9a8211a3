"""Putting ContextVars back."""

from __future__ import annotations

from contextvars import Token
from typing import TypeVar

Value = TypeVar("Value")


def leave(token: Token[Value | None]) -> None:
    """Give a variable, whose default is None, the value back that it had before the set()."""
    try:
        token.var.reset(token)
    except ValueError:
        # The end is seen in another context than the beginning, as under ASGI.
        previous = token.old_value
        token.var.set(None if previous is Token.MISSING else previous)
