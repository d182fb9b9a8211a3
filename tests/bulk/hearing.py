"""Listens to bulk signals, and makes parcels."""

from contextlib import contextmanager

from django.db import connection
from django.db.models.signals import post_save, pre_save

from signalscope import bulk
from tests.bulk.models import Parcel

SIGNALS = {
    name: getattr(bulk, name)
    for name in (
        "pre_bulk_created",
        "bulk_created",
        "pre_bulk_updated",
        "bulk_updated",
        "pre_bulk_deleted",
        "bulk_deleted",
    )
}
INSTANCE_SIGNALS = {"pre_save": pre_save, "post_save": post_save}


@contextmanager
def heard(sender=None, signals=None):
    """Listen in a block; give the list of what is heard: (name of the signal, arguments)."""
    found = []
    receivers = {}
    for name, signal in (signals or SIGNALS).items():

        def receive(sender, name=name, **named):
            del named["signal"]
            found.append((name, {"sender": sender, **named}))

        receivers[name] = receive
        signal.connect(receive, sender=sender)
    try:
        yield found
    finally:
        for name, receiver in receivers.items():
            (signals or SIGNALS)[name].disconnect(receiver, sender=sender)


def names(found):
    """Return the names of what was heard."""
    return [name for name, _ in found]


def parcels(*codes, **values):
    """Return new parcels, which are not saved."""
    return [Parcel(code=code, **values) for code in codes]


def rows():
    """Return all parcels, but for their keys."""
    return list(Parcel.plain.order_by("code").values_list("code", "weight", "note"))


def stored(*codes):
    """Store parcels, and return them as Django loads them."""
    Parcel.plain.bulk_create(parcels(*codes))
    return list(Parcel.plain.filter(code__in=codes).order_by("code"))


def upsert():
    """Return the arguments for updating what conflicts."""
    given = {"update_conflicts": True, "update_fields": ["weight"]}
    if connection.features.supports_update_conflicts_with_target:
        given["unique_fields"] = ["code"]
    return given
