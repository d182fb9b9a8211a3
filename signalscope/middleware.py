"""Lets the request be known as long as its response is made, and as long as that is streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from signalscope.context import CONTEXT, Context, begin
from signalscope.core.variables import leave

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class SignalContextMiddleware:
    """Fills SignalContext, in sync and in async projects, wherever it stands in MIDDLEWARE."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Return the response, or in async projects what gives it."""
        if self._is_async:
            return self._answer(request)
        context = Context(request)
        token = begin(context)
        try:
            response = self.get_response(request)
        finally:
            leave(token)
        if isinstance(response, StreamingHttpResponse):
            return _keep(context, response)
        return response

    async def _answer(self, request: HttpRequest) -> Any:
        context = Context(request)
        token = begin(context)
        try:
            response = await self.get_response(request)
        finally:
            leave(token)
        if isinstance(response, StreamingHttpResponse):
            return _keep(context, response)
        return response


def _keep(context: Context, response: Any) -> Any:
    """Let what makes a streaming response's parts, and what closes it, run in the context."""
    # A server may send a file by itself: then nothing of the project runs.
    if getattr(response, "file_to_stream", None) is None:
        # There is a public way to the parts, but one that makes a cycle: nobody would close
        # the project's generator in time.
        closers, parts = response._resource_closers, response._iterator
        closers[:] = [partial(_close, context, close) for close in closers]
        make = _aparts if response.is_async else _parts
        response.streaming_content = make(context, parts)
    return response


@contextmanager
def _running(context: Context) -> Iterator[None]:
    token = CONTEXT.set(context)
    try:
        yield
    finally:
        leave(token)


def _close(context: Context, close: Callable[[], object]) -> None:
    with _running(context):
        close()


def _parts(context: Context, parts: Iterator[Any]) -> Iterator[Any]:
    """Yield the parts; between them, while they are sent, the context is not the running one."""
    while True:
        with _running(context):
            try:
                part = next(parts)
            except StopIteration:
                return
        yield part


async def _aparts(context: Context, parts: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the parts of an asynchronous response likewise."""
    try:
        while True:
            with _running(context):
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield part
    finally:
        if hasattr(parts, "aclose"):
            with _running(context):
                await parts.aclose()
