"""Connects what is faulty, and what only looks like it."""

import sys
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from django.apps import AppConfig


class PlantedConfig(AppConfig):
    """Holds receivers in each way in which they can be held."""

    name = "tests.doctor.planted"
    label = "planted"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        """Import the receivers, and connect local ones."""
        from django.contrib.auth.signals import user_logged_out
        from django.db.models.signals import post_delete

        # The same file by two names, as with two folders in sys.path.
        import_again("doubled")
        from tests.doctor.planted import doubled, healthy, receivers, views  # noqa: F401
        from tests.doctor.planted.signals import parcel_sent

        post_delete.connect(lambda **kwargs: None)  # fault: D002
        user_logged_out.connect(partial(receivers.note, "out"))  # fault: D002
        user_logged_out.connect(Bell().ring)  # fault: D002
        # This one stays, as it is held strongly, and this by the app itself.
        user_logged_out.connect(lambda **kwargs: None, weak=False)
        user_logged_out.connect(self.hear)
        self.kept = lambda **kwargs: None
        user_logged_out.connect(self.kept)

        def hear_parcel(sender, **kwargs):
            """Be gone as ready() returns."""

        parcel_sent.connect(hear_parcel)  # fault: D002

    def hear(self, sender, **kwargs):
        """Hear, as long as the app is there."""


def import_again(name):
    """Import a module of this app by another name."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = spec_from_file_location(f"elsewhere.{name}", path)
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)


class Bell:
    """An object with a receiver."""

    def ring(self, sender, **kwargs):
        """Hear."""
