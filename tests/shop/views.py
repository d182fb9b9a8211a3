"""Views of the test project."""

from django.http import HttpResponse

from tests.shop.models import Order
from tests.shop.signals import never_heard, order_paid


def orders(request):
    """Make an order and say how many there are."""
    order = Order.objects.create(number="1")
    order_paid.send(sender=Order, order=order)
    never_heard.send(sender=Order)
    return HttpResponse(f"<html><body>{Order.objects.count()}</body></html>")


async def async_orders(request):
    """Do the same asynchronously."""
    order = await Order.objects.acreate(number="2")
    await order_paid.asend(sender=Order, order=order)
    return HttpResponse(f"<html><body>{await Order.objects.acount()}</body></html>")


def broken(request):
    """Fail."""
    raise ValueError("broken view")
