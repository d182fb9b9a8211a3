"""Is imported by two names."""

from django.contrib.auth.signals import user_login_failed
from django.dispatch import receiver


@receiver(user_login_failed)  # fault: D001
def count_failure(sender, **kwargs):
    """Count twice."""
