"""What the shop knows about a user."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """A user as a customer."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    points = models.PositiveIntegerField(default=0)
    login_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("user__username",)

    def __str__(self):
        return str(self.user)
