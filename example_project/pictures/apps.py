"""Pictures of products, with thumbnails made later."""

from django.apps import AppConfig


class PicturesConfig(AppConfig):
    """Connects the receivers of pictures."""

    name = "pictures"

    def ready(self):
        """Import the receivers, which connects them."""
        from pictures import receivers  # noqa: F401
