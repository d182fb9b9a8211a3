"""Receivers with faults."""

from functools import partial
from urllib.request import urlopen

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.mail import EmailMessage, send_mail
from django.db.models.signals import (
    post_init,
    post_save,
    pre_delete,
    pre_save,
)
from django.dispatch import receiver

from tests.doctor.planted.models import Box, Parcel, Thing
from tests.doctor.planted.signals import parcel_packed, parcel_sent, parcel_weighed


def note(word, sender, **kwargs):
    """Be part of a partial."""


def welcome(sender, **kwargs):  # fault: D001
    """Say hello, twice."""


user_logged_in.connect(welcome, dispatch_uid="welcome")
user_logged_in.connect(welcome, dispatch_uid="welcome again")


@receiver(post_save, sender=User)  # fault: D003
def greet(sender, **kwargs):
    """Wait for a model that is swapped."""


@receiver(user_logged_in, sender=settings.AUTH_USER_MODEL)  # fault: D003
def count_visit(sender, **kwargs):
    """Wait for a text, which only signals of models take for a model."""


@receiver(pre_save, sender=Thing)  # fault: D003
def name_thing(sender, **kwargs):
    """Wait for an abstract model."""


@receiver(pre_save, sender="planted.Missing")  # fault: D003
def wait(sender, **kwargs):
    """Wait for a model that there is not."""


@receiver(pre_delete, sender=Box)  # fault: D004
def unpack(sender, **kwargs):
    """Is not called, while others are."""


@receiver(user_logged_in)  # fault: D007
def count_login(sender, request, user, signal):
    """Take what there is, and no more."""


parcel_sent.connect(partial(note, "sent"), weak=False)  # fault: D008


@receiver(post_save, sender=Box)
def stamp(sender, instance, **kwargs):
    """Save again, for ever."""
    instance.name = instance.name.upper()
    instance.save(update_fields=["name"])  # fault: D009


@receiver(post_save, sender=Box)
def multiply(sender, instance, created, **kwargs):
    """Make another one of each new one."""
    if created:
        Box.objects.create(name=f"Next to {instance.name}")  # fault: D009


@receiver(pre_save, sender=Parcel)
def touch(sender, **kwargs):
    """Save from a save."""
    kwargs["instance"].save()  # fault: D009


@receiver(parcel_weighed)  # fault: D010
def weigh(sender, **kwargs):
    """Let others wait."""


@receiver(post_init, sender=Parcel)
def count_parcels(sender, instance, **kwargs):
    """Ask for each of them."""
    instance.count = Parcel.objects.filter(box_id=instance.box_id).count()  # fault: D011


@receiver(post_init, sender=Parcel)
def name_box(sender, instance, **kwargs):
    """Ask for the other side of a relation."""
    instance.label = instance.box.name  # fault: D011


@receiver(pre_delete, sender=Parcel)
def tell_carrier(sender, instance, **kwargs):
    """Wait for somebody else."""
    urlopen("https://carrier.example/")  # fault: D012


@receiver(pre_delete, sender=Parcel)
def tell_owner(sender, instance, **kwargs):
    """Do it by another function."""
    write(instance)  # fault: D012


def write(parcel):
    """Send a mail."""
    send_mail("Gone", parcel.name, None, ["owner@example.com"])


@receiver(parcel_packed)
def tell_packer(sender, **kwargs):
    """Hear what is sent in a transaction."""
    message = EmailMessage("Packed")
    message.send()  # fault: D012
