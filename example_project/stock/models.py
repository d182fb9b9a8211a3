"""How much there is of each product, and why that changed."""

from django.db import models


class StockItem(models.Model):
    """How much there is of a product."""

    product = models.OneToOneField(
        "shop.Product", on_delete=models.CASCADE, related_name="stock_item"
    )
    quantity = models.PositiveIntegerField(default=25)
    reorder_level = models.PositiveIntegerField(default=10)

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
