"""Somebody with a browser, as the demo needs it."""

from __future__ import annotations

import time
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener
from uuid import uuid4

WAIT_TIMEOUT_S = 30


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


class Visitor:
    """Somebody with a browser; counts the pages that were asked for."""

    request_count = 0

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies = CookieJar()
        # No proxy: the pages come from this machine.
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        """Return a page; its address is then in self.path."""
        return self._open(path, None)

    def wait_for(self, path: str, text: str) -> str:
        """Return a page once it has a text; DemoError when that takes too long."""
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while text not in (page := self.get(path)):
            if time.monotonic() > deadline:
                raise DemoError(f"{path} does not come to say {text!r}.")
            time.sleep(0.3)
        return page

    def post(self, path: str, **fields: str) -> str:
        """Send a form of the page shown last, and return the page it leads to."""
        form = {**fields, "csrfmiddlewaretoken": self._token()}
        return self._open(path, urlencode(form).encode())

    def upload(self, path: str, field: str, filename: str, content: bytes) -> str:
        """Send a file by a form of the page shown last, and return the page it leads to."""
        boundary = uuid4().hex
        head = 'Content-Disposition: form-data; name="{}"'
        data = b"\r\n".join(
            [
                f"--{boundary}".encode(),
                head.format("csrfmiddlewaretoken").encode(),
                b"",
                self._token().encode(),
                f"--{boundary}".encode(),
                f'{head.format(field)}; filename="{filename}"'.encode(),
                b"",
                content,
                f"--{boundary}--".encode(),
                b"",
            ]
        )
        return self._open(path, data, f"multipart/form-data; boundary={boundary}")

    def _token(self) -> str:
        return next(cookie.value or "" for cookie in self.cookies if cookie.name == "csrftoken")

    def _open(
        self, path: str, data: bytes | None, kind: str = "application/x-www-form-urlencoded"
    ) -> str:
        request = Request(self.base + path, data)  # noqa: S310
        if data is not None:
            request.add_header("Content-Type", kind)
        try:
            with self.opener.open(request, timeout=60) as response:
                self.path = response.url.removeprefix(self.base)
                page: str = response.read().decode()
        except HTTPError as error:
            raise DemoError(f"{path} answered {error.code} {error.reason}.") from error
        # A form that was accepted leads to another page: two requests.
        Visitor.request_count += 1 if data is None or self.path == path else 2
        return page


def expect(is_so: bool, problem: str) -> None:  # noqa: FBT001
    """Raise DemoError unless something is so."""
    if not is_so:
        raise DemoError(f"The shop is broken: {problem}.")
