"""Pictures of products."""

from datetime import timedelta
from pathlib import PurePath
from uuid import uuid4

from django.core.validators import FileExtensionValidator
from django.db import models
from django.utils import timezone

EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif")
# How long a worker may take before it is taken for dead.
PATIENCE = timedelta(minutes=1)


def new_path(picture, filename):
    """Return where to store a file: under a name of its own, which is never used again."""
    return f"pictures/{uuid4().hex}{PurePath(filename).suffix.lower()}"


def thumbnail_path(image_path):
    """Return where the thumbnail of a stored file belongs."""
    return f"thumbnails/{PurePath(image_path).stem}.webp"


class Picture(models.Model):
    """What a product looks like; its thumbnail is made after the upload."""

    class State(models.TextChoices):
        """How far the thumbnail is."""

        WAITING = "waiting", "Being made"
        READY = "ready"
        BROKEN = "broken"

    product = models.OneToOneField("shop.Product", on_delete=models.CASCADE)
    image = models.ImageField(upload_to=new_path, validators=[FileExtensionValidator(EXTENSIONS)])
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING, editable=False
    )
    problem = models.CharField(max_length=200, blank=True, editable=False)
    uploaded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("product__name",)

    def __str__(self):
        return f"Picture of {self.product}"

    @property
    def thumbnail_url(self):
        """The address of the thumbnail, which is there when the state is READY."""
        return self.image.storage.url(thumbnail_path(self.image.name))

    @property
    def is_being_made(self):
        """Whether the thumbnail can be expected soon: its worker may have been killed."""
        is_new = timezone.now() - self.uploaded_at < PATIENCE
        return self.state == self.State.WAITING and is_new
