"""Payments for orders, and the ledger in which they are booked."""

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


class Refund(models.Model):
    """Money that went back, all of a payment: there is one for each at most."""

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"Refund of {self.payment}"


class LedgerEntry(models.Model):
    """
    What the book-keeping service has booked; negative for a refund.

    idempotency_key: of the delivery that asked for it. That it is unique is what makes a second
    attempt book nothing.
    """

    idempotency_key = models.UUIDField(unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="ledger_entries")
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "ledger entries"

    def __str__(self):
        return f"{self.amount} by {self.idempotency_key}"


class Outage(models.Model):
    """While there is one, the book-keeping service does not answer."""

    began_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"Since {self.began_at}"
