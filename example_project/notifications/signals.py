"""Signals that notifications send."""

from django.dispatch import Signal

product_changed = Signal()
"""
Sent in the transaction that changes what customers know of a product.

sender: the class Product. product: the product. changed: old and new value by the name of the
field. user: who changed it, None where nobody is logged in.
"""
