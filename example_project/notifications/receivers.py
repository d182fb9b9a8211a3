"""Tells followers what has changed."""

import signalscope
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils.text import Truncator, capfirst

from notifications.models import Notification
from notifications.signals import product_changed
from shop.models import Product


@receiver(post_save, sender=Product)
@signalscope.not_raw
@signalscope.only_when_field_changed("name", "price", "description")
def announce_change(sender, instance, created, changed, **kwargs):
    """Say which product has changed, and who did it: at the commit that may be known no longer."""
    if not created:
        user = signalscope.SignalContext.get_user()
        product_changed.send(sender=sender, product=instance, changed=changed, user=user)


@receiver(product_changed)
@signalscope.on_commit(robust=True)
def notify_followers(sender, product, changed, user, **kwargs):
    """
    Tell all followers of a product but the one who changed it, by one INSERT.

    It runs after the commit, and an error in it does no harm to the change.
    """
    text = describe(sender, changed)
    follows = product.follows.all()
    if user is not None:
        follows = follows.exclude(user=user)
    Notification.objects.bulk_create(
        [
            Notification(user_id=user_id, product=product, text=text)
            for user_id in follows.values_list("user", flat=True)
        ],
        batch_size=1000,
    )


def describe(model, changed):
    """
    Return what has changed as text: "Price: 6.90 → 5.90".

    changed: old and new value by the name of the field, as only_when_field_changed() has it.
    """
    return "; ".join(
        f"{capfirst(model._meta.get_field(name).verbose_name)}: {shown(old)} → {shown(new)}"
        for name, (old, new) in changed.items()
    )


def shown(value):
    """Return a value for a person to read, as one short line."""
    return Truncator(value).words(12) or "nothing"
