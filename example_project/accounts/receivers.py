"""What happens to accounts."""

import logging

import signalscope
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.mail import send_mail
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver
from signalscope.signals import password_changed

from accounts.models import Profile
from accounts.signals import user_registered
from shop.models import Order
from shop.signals import order_status_changed

logger = logging.getLogger(__name__)


@receiver(post_save, sender=settings.AUTH_USER_MODEL, dispatch_uid="accounts.make_profile")
@signalscope.not_raw
@signalscope.only_when_created
def make_profile(sender, instance, **kwargs):
    """
    Give each new user a profile, in the same transaction; a fixture brings its own.

    The dispatch_uid connects it once, by whatever name this module is imported.
    """
    Profile.objects.create(user=instance)


def has_address(email, **kwargs):
    """Tell whether there is somewhere to send a mail to."""
    return bool(email)


@receiver(user_registered)
@signalscope.signal_condition(has_address)
@signalscope.deferred(durable=True, queue="mail", retries=5, exclude=["user"])
def send_welcome(sender, email, **kwargs):
    """
    Welcome who signed up, in a worker: nobody waits for the mail server, and no mail is lost.

    Without the user, whose fields, the password's hash too, would be stored with the delivery.
    """
    send_mail("Welcome to Leaf and Kettle", "The kettle is on.", None, [email])


@receiver(password_changed)
@signalscope.on_commit(robust=True)
def warn_of_new_password(sender, user, **kwargs):
    """Tell the owner of an account at once; that this fails must not look like no new password."""
    if user.email:
        send_mail("Your password was changed", "Was it you? Else write to us.", None, [user.email])


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


@receiver(order_status_changed)
def take_points_back(sender, order, old, new, **kwargs):
    """Take the points of an order that was paid and is cancelled."""
    if (old, new) == (Order.Status.PAID, Order.Status.CANCELLED):
        profile = Profile.objects.get(user_id=order.customer_id)
        profile.points = max(profile.points - int(order.total), 0)
        profile.save()
