"""Touches a bundle after the commit, once, whatever the transaction did to its parts."""

from weakref import WeakValueDictionary

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from bundles.models import Bundle

# The touches that wait for a commit, by connection and bundle. Django alone holds them: where it
# drops one, as its transaction or savepoint is rolled back, it is gone from here, too.
_waiting = WeakValueDictionary()


def touch_after_commit(pk, using):
    """Set last_modified of a bundle as soon as the transaction is committed, unless that is due."""
    key = (transaction.get_connection(using), pk)
    if key in _waiting:
        return

    def touch():
        # First of all: what changes from here on needs a touch of its own. In a TestCase Django
        # goes on holding this one.
        _waiting.pop(key, None)
        Bundle.objects.using(using).filter(pk=pk).update(
            last_modified=timezone.now(), touch_count=F("touch_count") + 1
        )

    _waiting[key] = touch
    transaction.on_commit(touch, using=using, robust=True)
