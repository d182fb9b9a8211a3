"""Makes thumbnails of new pictures, and removes the files of those that are gone."""

import signalscope
from django.core.files.base import ContentFile
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.utils import timezone

from pictures.models import Picture, thumbnail_path
from pictures.thumbnails import BrokenImage, shrink


@receiver(pre_save, sender=Picture)
@signalscope.only_when_field_changed("image")
def wait_for_thumbnail(sender, instance, **kwargs):
    """Begin anew with each new file."""
    instance.state = Picture.State.WAITING
    instance.problem = ""
    instance.uploaded_at = timezone.now()


# The delay lets a person see the page wait; leave it out of your own.
@receiver(post_save, sender=Picture)
@signalscope.only_when_field_changed("image")
@signalscope.deferred(delay=1, retries=3)
def make_thumbnail(sender, instance, **kwargs):
    """Make the thumbnail of a new file, in a worker; note what is wrong with a broken one."""
    # Of a picture that was replaced twice in a row, the first call has read the newest file.
    if instance.state != Picture.State.WAITING:
        return
    path = thumbnail_path(instance.image.name)
    storage = instance.image.storage
    try:
        with instance.image.open() as file:
            thumbnail = shrink(file.read())
    except (BrokenImage, FileNotFoundError) as error:
        found = {"state": Picture.State.BROKEN, "problem": str(error)[:200]}
    else:
        # What an attempt before this one has left would be in the way.
        storage.delete(path)
        storage.save(path, ContentFile(thumbnail))
        found = {"state": Picture.State.READY, "problem": ""}
    # By update(): save() would send post_save again, and undo what was changed meanwhile.
    is_current = Picture.objects.filter(pk=instance.pk, image=instance.image.name).update(**found)
    if not is_current:
        storage.delete(path)


@receiver(post_save, sender=Picture)
@signalscope.only_when_field_changed("image")
@signalscope.on_commit(robust=True)
def remove_replaced_files(sender, instance, changed, **kwargs):
    """Remove the old file and its thumbnail, once nobody can roll back to them."""
    old, _ = changed["image"]
    if old:
        remove_files(instance.image.storage, old)


@receiver(post_delete, sender=Picture)
@signalscope.on_commit(robust=True)
def remove_deleted_files(sender, instance, **kwargs):
    """Remove the files of a picture that is gone, with its product or alone."""
    remove_files(instance.image.storage, instance.image.name)


def remove_files(storage, image_path):
    """Remove a file and its thumbnail; that one is missing already does not matter."""
    storage.delete(image_path)
    storage.delete(thumbnail_path(image_path))
