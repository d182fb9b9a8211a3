"""A durable receiver of the project that the fault tests run."""

from django.db import transaction
from django.dispatch import receiver

from signalscope import deferred
from signalscope.models import Delivery
from tests.shop.models import Order
from tests.shop.signals import mail_queued


@receiver(mail_queued)
@deferred(durable=True)
def send_mail(number, **kwargs):
    """Make an order."""
    Order.objects.create(number=number)


def send(number):
    """Promise a mail in a transaction; it is due at once, and handed over to nobody."""
    with transaction.atomic():
        mail_queued.send(sender=Order, number=number)
        transaction.get_connection().run_on_commit.clear()
        Delivery.objects.update(lease_until_s=0)


def promised(alias):
    """Return the states of the deliveries in a database."""
    return list(Delivery.objects.using(alias).order_by("pk").values_list("state", flat=True))
