"""Signals that the stock sends."""

from django.dispatch import Signal

stock_low = Signal()
"""
Sent with send_robust() when there is less of a product than its reorder level.

It is sent once, and again only after the item was refilled; in the transaction of the change.
sender: the class StockItem. item: the item, as it is stored.
"""
