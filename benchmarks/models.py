"""Models of the benchmarked requests."""

from django.db import models


class Customer(models.Model):
    """Who orders."""

    name = models.CharField(max_length=50)
    order_count = models.IntegerField(default=0)


class Product(models.Model):
    """What is ordered."""

    name = models.CharField(max_length=50)
    price = models.IntegerField(default=1)
    stock = models.IntegerField(default=1000)


class Order(models.Model):
    """An order."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    status = models.CharField(max_length=20, default="new")


class Line(models.Model):
    """A line of an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    quantity = models.IntegerField(default=1)
