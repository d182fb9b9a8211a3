"""Signals that prices send."""

from django.dispatch import Signal

price_changed = Signal()
"""
Sent in the transaction that stores a product with another price; not for a new product.

sender: the class Product. product: the product. old, new: the prices, each a Decimal.
"""
