"""What tests of tracking share."""

from contextlib import contextmanager

import signalscope
from signalscope.activity.spans import write_waiting
from signalscope.activity.tracking import tracker
from signalscope.models import ActivityLog


@contextmanager
def tracked(*models, **options):
    """Track models in a block."""
    for model in models:
        signalscope.track(model, **options)
    try:
        yield
    finally:
        for model in models:
            signalscope.untrack(model)
            # To be untracked is more than never to have been tracked.
            del tracker._called[model]


@contextmanager
def statements(test, number):
    """Compare how many statements a block takes, with the one that writes its entries."""
    write_waiting("default")
    with test.assertNumQueries(number):
        yield
        write_waiting("default")


def entries(using="default"):
    """Return all entries as short tuples, oldest first: (action, object type and key, changes)."""
    return [
        (entry.action, f"{entry.object_type} {entry.object_key}", entry.changes)
        for entry in ActivityLog.objects.using(using).order_by("id")
    ]


def take_entries(using="default"):
    """Return all entries as entries() does, and delete them."""
    found = entries(using)
    ActivityLog.objects.using(using).all().delete()
    return found
