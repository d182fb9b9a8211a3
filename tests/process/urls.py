"""Views that send a signal, sync and async, and views that tell of their process."""

import os
import signal
from pathlib import Path

from django.http import HttpResponse
from django.urls import path
from django.utils import autoreload

import signalscope
from tests.process.receivers import ping


def send(request):
    """Send a signal that one receiver hears, and log that."""
    signalscope.log("pinged")
    ping.send(sender=None)
    return HttpResponse("sent")


async def asend(request):
    """Send it asynchronously, and log that."""
    signalscope.log("pinged")
    await ping.asend(sender=None)
    return HttpResponse("sent")


def pid(request):
    """Tell which process answers."""
    return HttpResponse(f"{os.getpid()}")


def heard(request):
    """Send a signal; tell which process did, and how many receivers answered."""
    return HttpResponse(f"{os.getpid()} {len(ping.send(sender=None))}")


def handler(request):
    """Tell who handles SIGTERM."""
    return HttpResponse(f"{signal.getsignal(signal.SIGTERM)}")


if "SITE_WATCHED" in os.environ:
    # A file that a test touches, so that it need not change one of the project's.
    watched = Path(os.environ["SITE_WATCHED"])
    autoreload.autoreload_started.connect(
        lambda sender, **kwargs: sender.watch_dir(watched.parent, watched.name), weak=False
    )

urlpatterns = [
    path("send/", send),
    path("asend/", asend),
    path("pid/", pid),
    path("heard/", heard),
    path("handler/", handler),
]
