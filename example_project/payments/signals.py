"""Signals that payments send."""

from django.dispatch import Signal

payment_received = Signal()
"""
Sent after a payment was stored, in its transaction.

sender: the class Payment. payment: the payment.
"""

payment_refunded = Signal()
"""
Sent after a refund was stored, in its transaction.

sender: the class Refund. refund: the refund.
"""
