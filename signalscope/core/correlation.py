"""The id that a request shares with what else belongs to the same work, in other processes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

# version-trace_id-parent_id-flags. Source: W3C Trace Context, 3.2.2.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_NO_TRACE_ID = "0" * 32
MAX_ID_LENGTH = 100


class CorrelationHeader:
    """A header that may hold a correlation id, as WSGI and ASGI spell it."""

    __slots__ = ("environ_key", "is_traceparent", "scope_name")

    def __init__(self, name: str) -> None:
        self.is_traceparent = name.lower() == "traceparent"
        self.environ_key = f"HTTP_{name.upper().replace('-', '_')}"
        self.scope_name = name.lower().encode("latin-1", "replace")


@lru_cache(maxsize=16)
def find_headers(names: tuple[str, ...]) -> tuple[CorrelationHeader, ...]:
    """Return the headers of these names."""
    return tuple(CorrelationHeader(name) for name in names)


def environ_id(environ: Mapping[str, Any], headers: Sequence[CorrelationHeader]) -> str:
    """Return the id of the first header that has one, "" for none; environ: also request.META."""
    for header in headers:
        value = environ.get(header.environ_key)
        if value is not None and (found := _id(header, value)):
            return found
    return ""


def scope_id(scope: Mapping[str, Any], headers: Sequence[CorrelationHeader]) -> str:
    """Return the id of the first header that has one, "" for none; scope: of ASGI."""
    received = dict(scope.get("headers", ()))
    for header in headers:
        value = received.get(header.scope_name)
        if value is not None and (found := _id(header, value)):
            return found
    return ""


def _id(header: CorrelationHeader, value: object) -> str:
    """Return the trace id of a traceparent, another header's text, "" for what is neither."""
    if type(value) is bytes:
        value = value.decode("latin-1")
    if type(value) is not str:
        return ""
    value = value.strip()
    if header.is_traceparent:
        found = _TRACEPARENT.fullmatch(value)
        value = found[1] if found and found[1] != _NO_TRACE_ID else ""
    return value[:MAX_ID_LENGTH] if value.isprintable() else ""
