"""Signals that payments send."""

from django.dispatch import Signal

payment_received = Signal()
"""
Sent after a payment was stored.

sender: the class Payment. payment: the payment.
"""
