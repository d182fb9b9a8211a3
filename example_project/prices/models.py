"""What products cost before, and who wants to know when that changes."""

from django.conf import settings
from django.db import models

from shop.models import Product


class PriceChange(models.Model):
    """One change of a product's price."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="price_changes")
    old = models.DecimalField(max_digits=8, decimal_places=2)
    new = models.DecimalField(max_digits=8, decimal_places=2)
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"{self.product}: {self.old} to {self.new}"


class PriceSubscription(models.Model):
    """Somebody who is told when the price of a product changes."""

    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="price_subscriptions"
    )
    subscriber = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="price_subscriptions"
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("product", "subscriber"), name="prices_one_subscription_each"
            ),
        )

    def __str__(self):
        return f"{self.subscriber}: {self.product}"
