"""What happens to accounts."""

import logging

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Profile
from shop.models import Order
from shop.signals import order_status_changed

logger = logging.getLogger(__name__)


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="accounts.make_profile")
def make_profile(sender, instance, created, **kwargs):
    """Give each new user a profile, once, however often this module is imported."""
    if created:
        Profile.objects.create(user=instance)


@receiver(user_logged_in)
def count_login(sender, user, **kwargs):
    """Count how often a user logged in."""
    Profile.objects.filter(user=user).update(login_count=F("login_count") + 1)


@receiver(user_login_failed)
def log_failed_login(sender, credentials, **kwargs):
    """Write failed logins to the log."""
    logger.warning("Somebody failed to log in as %s.", credentials.get("username"))


@receiver(order_status_changed)
def add_points(sender, order, new, **kwargs):
    """Give a point for each euro of a paid order."""
    if new == Order.Status.PAID:
        profile = Profile.objects.get(user_id=order.customer_id)
        profile.points += int(order.total)
        profile.save()
