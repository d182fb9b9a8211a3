"""What happens when money comes in, and when it goes back."""

import logging
from decimal import Decimal

import signalscope
from django.db.models.signals import post_save
from django.dispatch import receiver

from payments import ledger
from payments.models import Payment, Refund
from payments.signals import payment_received, payment_refunded
from shop.models import Order
from shop.signals import order_status_changed

logger = logging.getLogger(__name__)


@receiver(post_save, sender=Payment)
def announce_payment(sender, instance, created, **kwargs):
    """Tell the other apps about a payment."""
    if created:
        payment_received.send(sender=Payment, payment=instance)


@receiver(payment_received)
@signalscope.deferred(durable=True, queue="ledger", retries=5)
def book_in_ledger(sender, payment, idempotency_key, **kwargs):
    """Book a payment in a worker, which may be killed: the key lets it be booked once only."""
    ledger.book(payment, payment.amount, idempotency_key)


@receiver(order_status_changed)
def refund_payments(sender, order, old, new, **kwargs):
    """Give back what was paid for an order that is cancelled, in the transaction that does so."""
    if (old, new) == (Order.Status.PAID, Order.Status.CANCELLED):
        for payment in order.payments.filter(refund=None):
            refund = Refund.objects.create(payment=payment)
            payment_refunded.send(sender=Refund, refund=refund)


@receiver(payment_refunded)
@signalscope.deferred(durable=True, queue="ledger", retries=5)
def book_refund(sender, refund, idempotency_key, **kwargs):
    """Book a refund, as book_in_ledger books its payment."""
    ledger.book(refund.payment, -refund.payment.amount, idempotency_key)


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
