"""Stands for the API of a book-keeping service: slow, not always there, but it takes a key."""

import time

from django.conf import settings

from payments.models import LedgerEntry, Outage


class LedgerUnavailable(Exception):
    """The service does not answer; later it will."""


def book(payment, amount, idempotency_key):
    """
    Book an amount, once for each key however often it is asked for.

    Raises LedgerUnavailable while the service does not answer.
    """
    if Outage.objects.exists():
        raise LedgerUnavailable("The book-keeping service does not answer.")
    LedgerEntry.objects.get_or_create(
        idempotency_key=idempotency_key, defaults={"payment": payment, "amount": amount}
    )
    # Whoever is killed while it waits for the answer cannot know that all is booked already.
    time.sleep(settings.LEDGER_ANSWER_S)
