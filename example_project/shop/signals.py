"""Signals that the shop sends."""

from django.dispatch import Signal

order_placed = Signal()
"""
Sent in the transaction that stores a new order.

sender: the class Order. order: the order, with its lines stored. A receiver that raises stops
the order.
"""

order_status_changed = Signal()
"""
Sent after an order was saved with another status.

sender: the class Order. order: the order. old, new: values of Order.Status.
"""

pulse_taken = Signal()
"""
Sent with asend() by the page that shows how the shop is doing.

sender: the view. Receivers return a (label, value) pair, or None to show nothing.
"""

newsletter_requested = Signal()
"""
Sent when somebody asks for the newsletter. Nobody hears it: no app sends newsletters yet.

sender: the class Product. email: the address.
"""
