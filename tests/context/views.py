"""Views that tell what SignalContext knows while they run, and while they are streamed."""

import asyncio
import json

from django.contrib.auth import aget_user, alogin, get_user_model, login, logout
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from signalscope import SignalContext
from signalscope.context import running_actor

# What the views found out after their response.
seen = []


def told():
    """Return who is behind the running code, without a query."""
    actor = running_actor(may_query=False)
    return [actor.key, actor.label, actor.ip_address, actor.user_agent]


def nothing(request):
    """Ask for nothing."""
    return HttpResponse()


def who(request):
    """Ask for all of it."""
    user = SignalContext.get_user()
    return JsonResponse(
        {
            "is_request": SignalContext.get_request() is request,
            "user": None if user is None else user.get_username(),
            "ip_address": SignalContext.get_ip_address(),
            "user_agent": SignalContext.get_user_agent(),
        }
    )


async def awho(request):
    """Ask for all of it, in an event loop."""
    user = await SignalContext.aget_user()
    return JsonResponse(
        {
            "is_request": SignalContext.get_request() is request,
            "user": None if user is None else user.get_username(),
            "told": told(),
        }
    )


def unasked(request):
    """Tell what is known before anybody asked for the user, and when the session is loaded."""
    before = told()
    request.session.get("anything")
    return JsonResponse({"before": before, "after": told()})


async def in_loop(request):
    """Ask what would take a query, where none can be run."""
    actor = running_actor(may_query=True)
    return JsonResponse([actor.key, actor.label], safe=False)


def change_user(request):
    """Log in, and out again."""
    found = [told()]
    login(request, get_user_model().objects.get(username="ann"))
    found.append(told())
    logout(request)
    return JsonResponse([*found, told()], safe=False)


async def achange_user(request):
    """Log in after it was asked for who is there."""
    found = [(await aget_user(request)).username, await SignalContext.aget_user()]
    await alogin(request, await get_user_model().objects.aget(username="ann"))
    user = await SignalContext.aget_user()
    return JsonResponse([*found, user.username, told()], safe=False)


def broken(request):
    """Fail."""
    raise ValueError("broken view")


def parts():
    """Yield who is there, three times; note it at the end, too."""
    try:
        for _ in range(3):
            yield json.dumps(told()) + "\n"
    finally:
        seen.append(told())


async def aparts():
    """Do the same asynchronously."""
    try:
        for _ in range(3):
            yield json.dumps(told()) + "\n"
    finally:
        seen.append(told())


async def endless_parts():
    """Wait for a second part that never comes."""
    try:
        yield "first"
        await asyncio.Event().wait()
    finally:
        seen.append(told())


def failing_parts():
    """Fail after the first part."""
    yield "first"
    raise ValueError("broken stream")


def stream(request):
    """Stream."""
    request.user.is_authenticated  # noqa: B018
    return StreamingHttpResponse(parts())


async def astream(request):
    """Stream asynchronously."""
    await request.auser()
    return StreamingHttpResponse(aparts())


async def endless(request):
    """Stream until the client goes away."""
    await request.auser()
    return StreamingHttpResponse(endless_parts())


def failing_stream(request):
    """Stream, and fail."""
    return StreamingHttpResponse(failing_parts())


def file(request):
    """Send a file."""
    return FileResponse(open(__file__, "rb"))  # noqa: SIM115, PTH123


urlpatterns = [
    path("nothing/", nothing),
    path("who/", who),
    path("awho/", awho),
    path("unasked/", unasked),
    path("in-loop/", in_loop),
    path("change-user/", change_user),
    path("achange-user/", achange_user),
    path("broken/", broken),
    path("stream/", stream),
    path("astream/", astream),
    path("endless/", endless),
    path("failing-stream/", failing_stream),
    path("file/", file),
]
