"""Products and the orders for them."""

from decimal import Decimal

import signalscope
from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse
from signalscope.bulk import BulkSignalManager


@signalscope.track
class Product(models.Model):
    """Something to buy."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    objects = BulkSignalManager()

    class Meta:
        ordering = ("name",)

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        """Return the address of the product's page."""
        return reverse("shop:product", args=[self.slug])


@signalscope.track
class Order(models.Model):
    """What a customer ordered."""

    class Status(models.TextChoices):
        """How far an order is."""

        PLACED = "placed"
        PAID = "paid"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders"
    )
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PLACED)
    total = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"Order {self.pk}"

    def get_absolute_url(self):
        """Return the address of the order's page."""
        return reverse("shop:order", args=[self.pk])

    @property
    def is_open(self):
        """Whether the order can still be paid or cancelled."""
        return self.status == self.Status.PLACED


class OrderLine(models.Model):
    """So many of one product, at the price of the day."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    unit_price = models.DecimalField(max_digits=8, decimal_places=2)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return f"{self.quantity} x {self.product}"

    @property
    def price(self):
        """The price of the whole line."""
        return self.quantity * self.unit_price
