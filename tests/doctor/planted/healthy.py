"""Receivers that only look like those with faults: nothing of this is to be found."""

from functools import partial, update_wrapper

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.mail import send_mail
from django.db import transaction
from django.db.models.signals import post_init, post_save, pre_save
from django.dispatch import receiver

import signalscope
from tests.doctor.planted.models import Box, Parcel
from tests.doctor.planted.signals import parcel_packed, parcel_sent, parcel_weighed


def note(word, sender, **kwargs):
    """Be part of partials."""


# Not twice: they do not do the same, or do not hear the same.
user_logged_in.connect(partial(note, "one"), weak=False)
user_logged_in.connect(partial(note, "two"), weak=False)


def make(word):
    """Return a receiver that is not like the one of another word."""

    def hear(sender, **kwargs):
        return word

    return hear


KEPT = [make("one"), make("two")]
for kept in KEPT:
    user_logged_in.connect(kept)


@receiver(post_save, sender=Box)
@receiver(post_save, sender=Parcel)
def log(sender, **kwargs):
    """Hear two senders."""


@receiver(post_save, sender=settings.AUTH_USER_MODEL)
def greet(sender, **kwargs):
    """Hear the user that there is."""


parcel_sent.connect(update_wrapper(partial(note, "named"), note), weak=False)


@receiver(post_save, sender=Box)
def save_once(sender, instance, created, **kwargs):
    """Save again, once."""
    if created:
        instance.save()


@receiver(post_save, sender=Box)
def save_unless_named(sender, instance, **kwargs):
    """Save again, until there is a name."""
    if instance.name:
        return
    instance.name = "box"
    instance.save()


@receiver(post_save, sender=Box)
def save_quietly(sender, instance, **kwargs):
    """Save again, while not connected."""
    post_save.disconnect(save_quietly, sender=Box)
    instance.save()
    post_save.connect(save_quietly, sender=Box)


@receiver(post_save, sender=Box)
@signalscope.only_when_created
def save_under_condition(sender, instance, **kwargs):
    """Save again, where a decorator lets it."""
    instance.save()


@receiver(post_save, sender=Box)
def save_another(sender, instance, **kwargs):
    """Save something else."""
    instance = Parcel(name="first", box=instance)
    instance.save()
    Box.objects.filter(pk=instance.box_id).update(name="full")


@receiver(pre_save, sender=Box)
def save_nothing(sender, instance, **kwargs):
    """Save no field: Django sends nothing for that."""
    instance.save(update_fields=[])


@receiver(parcel_weighed)
async def weigh(sender, **kwargs):
    """Wait as others do."""


@receiver(post_init, sender=Parcel)
def remember(sender, instance, **kwargs):
    """Read what is there already."""
    instance.first_box_id = instance.box_id


@receiver(post_save, sender=Parcel)
def tell_later(sender, instance, **kwargs):
    """Send a mail after the commit."""
    transaction.on_commit(lambda: send_mail("Here", "", None, ["owner@example.com"]))


@receiver(post_save, sender=Parcel)
@signalscope.on_commit
def tell_after_commit(sender, instance, **kwargs):
    """Send a mail after the commit."""
    send_mail("Here", "", None, ["owner@example.com"])


@receiver(parcel_packed)
def put(sender, **kwargs):
    """Call what only sounds like the network."""
    requests = {}
    requests.get("carrier")


@receiver(user_logged_in)
def mail_login(sender, **kwargs):
    """Send a mail outside of any transaction that is known of."""
    send_mail("Hello", "", None, ["owner@example.com"])
