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
def move_order(order, new, *, allowed):
    """
    Give an order a new status.

    allowed: the statuses that it may have had until now; OrderRefused when it had another one.
    """
    # Of two that come at once, the second one waits here, and is then refused.
    stored = Order.objects.select_for_update().get(pk=order.pk)
    if stored.status not in allowed:
        is_now, wanted = stored.get_status_display().lower(), Order.Status(new).label.lower()
        raise OrderRefused(f"{order} is {is_now}: it cannot be {wanted} now.")
    stored.status = new
    stored.save()


def cancel_order(order):
    """Cancel an order that is not paid yet; OrderRefused when it is."""
    move_order(order, Order.Status.CANCELLED, allowed=[Order.Status.PLACED])
