"""Receivers that are put off: in a module, as a worker finds none of a script."""

from django.dispatch import Signal, receiver

import signalscope

order_paid = Signal()
order_promised = Signal()


@receiver(order_paid)
@signalscope.deferred(backend="celery")
def send_receipt_later(sender, order_id, number, is_paid, lines, **kwargs):
    """Stand for what is done in a worker."""


@receiver(order_promised)
@signalscope.batched(durable=True)
def send_receipts(dispatches):
    """Stand for what is done in a worker."""
