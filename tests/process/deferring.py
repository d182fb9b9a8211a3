"""Receivers that a worker runs; each writes down what it found."""

import json
import os
from pathlib import Path

from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver

from signalscope import AsyncSignalMixin, SignalContext, deferred
from signalscope.context import running_actor
from tests.shop.models import Order


class OrderShipped(AsyncSignalMixin, Signal):
    """Is sent as a whole."""


order_paid = Signal()
order_shipped = OrderShipped()


def write_down(*found):
    """Add a line to the file that the test reads."""
    with Path(os.environ["SITE_FOUND"]).open("a") as file:
        file.write(json.dumps([os.getpid(), *found]) + "\n")


@receiver(order_paid)
@deferred(backend="celery")
def tell(sender, order, number, **kwargs):
    """Tell who is behind it, and what arrived."""
    actor, user = running_actor(may_query=False), SignalContext.get_user()
    write_down(
        "tell", user and user.username, actor.reason, actor.correlation_id, order.number, number
    )


@receiver([post_save, post_delete], sender=Order)
@deferred
def tell_of_order(sender, signal, instance, **kwargs):
    """Tell what became of an order."""
    write_down("order", signal is post_delete, instance.pk, instance.number)


@receiver(order_shipped)
def fail_at_first(sender, place, **kwargs):
    """Fail in the first attempt."""
    path = Path(place)
    if not path.exists():
        path.touch()
        write_down("failed")
        raise ValueError("not yet")
    write_down("shipped")
