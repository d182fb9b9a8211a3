"""What can be done with orders."""

from django.db import transaction

from shop.exceptions import OrderRefused
from shop.models import Order
from shop.signals import order_placed


@transaction.atomic
def place_order(customer, product, quantity):
    """
    Store and return an order of one product.

    Raises OrderRefused, and stores nothing, when a receiver of order_placed says no.
    """
    order = Order.objects.create(customer=customer, total=product.price * quantity)
    order.lines.create(product=product, quantity=quantity, unit_price=product.price)
    order_placed.send(sender=Order, order=order)
    return order


@transaction.atomic
def cancel_order(order):
    """Cancel an order; OrderRefused when it is paid or cancelled already."""
    if not order.is_open:
        raise OrderRefused(f"{order} is {order.get_status_display().lower()} already.")
    order.status = Order.Status.CANCELLED
    order.save()
