"""Signals that the stock sends."""

from django.dispatch import Signal

stock_low = Signal()
"""
Sent with send_robust() when there is less of a product than its reorder level.

sender: the class StockItem. item: the item.
"""
