"""What the shop keeper can do with orders."""

from shop.models import Order
from shop.orders import move_order


def ship_order(order):
    """Send out an order that is paid; OrderRefused for any other one."""
    move_order(order, Order.Status.SHIPPED, allowed=[Order.Status.PAID])


def call_off(order):
    """Cancel an order that was not shipped; a receiver refunds what was paid for it."""
    move_order(order, Order.Status.CANCELLED, allowed=[Order.Status.PLACED, Order.Status.PAID])
