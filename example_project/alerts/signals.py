"""Signals that alerts send."""

from django.dispatch import Signal

alert_raised = Signal()
"""
Sent with send_robust() once an alert is stored, after the transaction that it belongs to.

sender: the class Alert. alert: the alert.
"""
