"""What changes of parts mean for their bundles."""

import signalscope
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from bundles.models import Part
from bundles.touching import touch_after_commit


@receiver(post_save, sender=Part)
@signalscope.only_when_field_changed("bundle", "product", "quantity")
def touch_when_saved(sender, instance, changed, using, **kwargs):
    """Touch the bundle of a part that is really another one; of one that moved, both bundles."""
    old, new = changed.get("bundle", (None, instance.bundle_id))
    for pk in {old, new} - {None}:
        touch_after_commit(pk, using)


@receiver(post_delete, sender=Part)
def touch_when_deleted(sender, instance, using, **kwargs):
    """Touch the bundle that a part was taken from; if that is gone itself, this does nothing."""
    touch_after_commit(instance.bundle_id, using)
