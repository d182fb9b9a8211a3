"""The benchmarked views: one that writes much, one that reads a little."""

from django.db import transaction
from django.http import JsonResponse
from django.urls import path

from benchmarks.models import Customer, Line, Order, Product

LINE_COUNT = 23


def heavy(request):
    """Place an order of 23 lines."""
    with transaction.atomic():
        customer = Customer.objects.first()
        order = Order.objects.create(customer=customer)
        for product in Product.objects.all()[:LINE_COUNT]:
            Line.objects.create(order=order, product=product)
        transaction.set_rollback(True)
    return JsonResponse({"order": order.pk})


def light(request):
    """List 20 products."""
    return JsonResponse({"names": [product.name for product in Product.objects.all()[:20]]})


urlpatterns = [path("heavy/", heavy), path("light/", light)]
