"""Custom signals of the test project."""

from django.dispatch import Signal

order_paid = Signal()
mail_queued = Signal()
never_heard = Signal()
