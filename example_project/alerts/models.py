"""Alerts, where they are posted to, and an inbox that stands for the other side."""

from django.db import models


class Alert(models.Model):
    """Something that needs somebody's attention."""

    class Level(models.TextChoices):
        """How much it matters."""

        INFO = "info"
        WARNING = "warning"
        CRITICAL = "critical"

    level = models.CharField(max_length=20, choices=Level.choices, default=Level.WARNING)
    text = models.CharField(max_length=200)
    raised_at = models.DateTimeField(auto_now_add=True)
    posted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return f"{self.get_level_display()}: {self.text}"


class Webhook(models.Model):
    """An address that is told of each alert."""

    url = models.URLField(unique=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self):
        return self.url


class Inbox(models.Model):
    """Stands for a chat or a pager at the other end of a webhook; it can be out of order."""

    is_broken = models.BooleanField(default=False)

    def __str__(self):
        return "broken" if self.is_broken else "working"


class Message(models.Model):
    """What arrived in the inbox."""

    text = models.CharField(max_length=300)
    arrived_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return self.text
