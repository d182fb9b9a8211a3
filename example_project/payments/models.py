"""Payments for orders."""

from django.db import models


class Payment(models.Model):
    """Money that came in for an order."""

    order = models.ForeignKey("shop.Order", on_delete=models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"{self.amount} for {self.order}"
