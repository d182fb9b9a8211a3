"""The benchmarked views: one that writes much, one that reads much, one that reads a little."""

from django.db import transaction
from django.http import JsonResponse
from django.urls import path

from benchmarks.models import Customer, Line, Order, Product
from benchmarks.receivers import line_shown, product_shown

LINE_COUNT = 23


def place_order():
    """Place an order of 23 lines."""
    customer = Customer.objects.first()
    order = Order.objects.create(customer=customer)
    for product in Product.objects.all()[:LINE_COUNT]:
        Line.objects.create(order=order, product=product)
    return order


def heavy(request):
    """Place an order, and leave no row."""
    with transaction.atomic():
        order = place_order()
        transaction.set_rollback(True)
    return JsonResponse({"order": order.pk})


def committed(request):
    """Place an order."""
    with transaction.atomic():
        order = place_order()
    return JsonResponse({"order": order.pk})


def reading(request):
    """Show an order of 23 lines, with two queries and two signals for each."""
    names = []
    for pk in Line.objects.values_list("pk", flat=True)[:LINE_COUNT]:
        line = Line.objects.get(pk=pk)
        line_shown.send(sender=Line, line=line)
        product_shown.send(sender=Product, product=line.product)
        names.append(line.product.name)
    return JsonResponse({"names": names})


def light(request):
    """List 20 products."""
    return JsonResponse({"names": [product.name for product in Product.objects.all()[:20]]})


urlpatterns = [
    path("heavy/", heavy),
    path("committed/", committed),
    path("reading/", reading),
    path("light/", light),
]
