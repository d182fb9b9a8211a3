"""Bundles, and the products that they are made of."""

from django.core.validators import MinValueValidator
from django.db import models

from shop.models import Product


class Bundle(models.Model):
    """Products that are sold together; last_modified is about its parts as well."""

    name = models.CharField(max_length=100)
    last_modified = models.DateTimeField(auto_now=True)
    # How often its parts have touched it, for the page: a real shop does without.
    touch_count = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return self.name


class Part(models.Model):
    """So many of one product."""

    bundle = models.ForeignKey(Bundle, on_delete=models.CASCADE, related_name="parts")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="bundle_parts")
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return f"{self.quantity} x {self.product}"
