"""Stores mails where they would be sent."""

from django.core.mail.backends.base import BaseEmailBackend

from mails.models import Mail


class EmailBackend(BaseEmailBackend):
    """Stands for a mail server; what it was given is shown on a page."""

    def send_messages(self, email_messages):
        """Store each mail, and return how many there were."""
        for message in email_messages:
            Mail.objects.create(
                recipients=", ".join(message.recipients()),
                subject=message.subject,
                body=message.body,
            )
        return len(email_messages)
