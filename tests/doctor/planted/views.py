"""Sends the signals."""

from django.db import transaction

from tests.doctor.planted.signals import (
    parcel_found,
    parcel_lost,
    parcel_packed,
    parcel_sent,
    parcel_weighed,
)


def lose():
    """Tell nobody."""
    parcel_lost.send(sender=None)  # fault: D005


def find():
    """Tell nobody, and know it."""
    parcel_found.send(sender=None)  # signalscope: ignore=D005


def send():
    """Tell whoever may fail."""
    parcel_sent.send_robust(sender=None)


async def weigh():
    """Tell those who wait."""
    await parcel_weighed.asend(sender=None)


@transaction.atomic
def pack():
    """Tell them before it is stored."""
    parcel_packed.send(sender=None)
