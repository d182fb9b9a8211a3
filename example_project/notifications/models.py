"""Who follows which product, and what followers were told."""

from django.conf import settings
from django.db import models


class Follow(models.Model):
    """Somebody wants to hear when a product changes."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="follows"
    )
    product = models.ForeignKey("shop.Product", on_delete=models.CASCADE, related_name="follows")

    class Meta:
        constraints = [models.UniqueConstraint(fields=("user", "product"), name="follow_once")]

    def __str__(self):
        return f"{self.user} follows {self.product}"


class Notification(models.Model):
    """What one follower was told."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    product = models.ForeignKey(
        "shop.Product", on_delete=models.CASCADE, related_name="notifications"
    )
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        indexes = [
            # The count in the navigation bar, on each page.
            models.Index(
                fields=("user",), condition=models.Q(read_at=None), name="notifications_unread"
            ),
        ]

    def __str__(self):
        return f"{self.product}: {self.text}"
