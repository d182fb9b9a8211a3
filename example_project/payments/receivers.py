"""What happens when money comes in."""

import logging
import time
from decimal import Decimal

from django.db.models.signals import post_save
from django.dispatch import receiver

from payments.models import Payment
from payments.signals import payment_received

logger = logging.getLogger(__name__)


@receiver(post_save, sender=Payment)
def announce_payment(sender, instance, created, **kwargs):
    """Tell the other apps about a payment."""
    if created:
        payment_received.send(sender=Payment, payment=instance)


@receiver(payment_received)
def book_in_ledger(sender, payment, **kwargs):
    """Stand for the slow API of a book-keeping service."""
    time.sleep(0.04)


class LargePaymentWatch:
    """
    A receiver that is an object.

    limit: payments above it are written to the log.
    """

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, sender, payment, **kwargs):
        if payment.amount > self.limit:
            logger.warning("A large payment came in: %s", payment)


# No other reference keeps the object, and a weak one would lose it at once.
payment_received.connect(
    LargePaymentWatch(limit=Decimal(500)),
    sender=Payment,
    weak=False,
    dispatch_uid="payments.large_payment_watch",
)
