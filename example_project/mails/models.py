"""Mails that were sent."""

from django.db import models


class Mail(models.Model):
    """A mail, as it was sent."""

    recipients = models.TextField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self):
        return self.subject
