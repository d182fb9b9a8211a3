"""One view that sends a signal, sync and async."""

from django.http import HttpResponse
from django.urls import path

from tests.process.receivers import ping


def send(request):
    """Send a signal that one receiver hears."""
    ping.send(sender=None)
    return HttpResponse("sent")


async def asend(request):
    """Send it asynchronously."""
    await ping.asend(sender=None)
    return HttpResponse("sent")


urlpatterns = [path("send/", send), path("asend/", asend)]
