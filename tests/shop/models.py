"""Models that the tests save and delete."""

from django.db import models


class Tag(models.Model):
    """The other side of a many-to-many relation."""

    name = models.CharField(max_length=50)


class Order(models.Model):
    """An order."""

    number = models.CharField(max_length=50)
    tags = models.ManyToManyField(Tag)


class Item(models.Model):
    """A line of an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)
