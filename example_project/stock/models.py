"""How much there is of each product, and why that changed."""

from django.db import models
from signalscope.bulk import BulkSignalManager


class StockItem(models.Model):
    """How much there is of a product."""

    product = models.OneToOneField(
        "shop.Product", on_delete=models.CASCADE, related_name="stock_item"
    )
    quantity = models.PositiveIntegerField(default=25)
    reorder_level = models.PositiveIntegerField(default=10)

    # So that items that run low are known after update(), too.
    objects = BulkSignalManager()

    class Meta:
        ordering = ("product__name",)

    def __str__(self):
        return f"{self.quantity} x {self.product}"

    @property
    def is_low(self):
        """Whether it is time to order more."""
        return self.quantity < self.reorder_level


class StockMovement(models.Model):
    """Something that came in or went out."""

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="movements")
    change = models.IntegerField()
    reason = models.CharField(max_length=100)
    moved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"{self.change:+} {self.item.product}: {self.reason}"


class LowStockNotice(models.Model):
    """That an item ran low, and was told of; it is open until the item is refilled."""

    item = models.ForeignKey(StockItem, on_delete=models.CASCADE, related_name="notices")
    quantity = models.PositiveIntegerField()
    failures = models.TextField(blank=True)
    told_at = models.DateTimeField(auto_now_add=True)
    refilled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("item",),
                condition=models.Q(refilled_at=None),
                name="stock_one_open_notice_each",
            ),
        )

    def __str__(self):
        return f"Only {self.quantity} x {self.item.product}"
