"""The log of an order's life."""

from django.db import models

from shop.models import Order


class StatusChange(models.Model):
    """
    One step in an order's life: from what to what, who did it, from where, with which browser.

    old: "" for a new order. changed_by: a text, since the log outlives the users.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="status_changes")
    old = models.CharField(max_length=20, choices=Order.Status.choices, blank=True)
    new = models.CharField(max_length=20, choices=Order.Status.choices)
    changed_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.CharField(max_length=255, blank=True)
    ip_address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return f"{self.order}: {self.old or 'new'} to {self.new}"
