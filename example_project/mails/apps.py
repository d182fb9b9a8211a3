"""Keeps what the shop mails, so that it can be looked at."""

from django.apps import AppConfig


class MailsConfig(AppConfig):
    """Holds mails."""

    name = "mails"
