"""What a request's trace is told as it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from signalscope.core.correlation import CorrelationHeader, environ_id, scope_id


class RequestOrigin:
    """
    Reads the arguments of request_started.

    named: has an "environ" (WSGI) or a "scope" (ASGI).
    headers: the first that is there counts.
    """

    __slots__ = ("_headers", "_named")

    def __init__(self, named: dict[str, Any], headers: Sequence[CorrelationHeader]) -> None:
        self._named = named
        self._headers = headers

    def name(self) -> str:
        """Return "GET /path"; the query string is left out."""
        environ, scope = self._named.get("environ"), self._named.get("scope")
        if type(environ) is dict:
            raw = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
            path = raw.encode("latin-1", "replace").decode("utf-8", "replace")
            return f"{environ.get('REQUEST_METHOD', '?')} {path or '/'}"
        if type(scope) is dict:
            return f"{scope.get('method', '?')} {scope.get('path', '/')}"
        return "request"

    def correlation_id(self) -> str:
        """Return the trace id of a traceparent, another header's text, or ""."""
        environ, scope = self._named.get("environ"), self._named.get("scope")
        if type(environ) is dict:
            return environ_id(environ, self._headers)
        if type(scope) is dict:
            return scope_id(scope, self._headers)
        return ""
