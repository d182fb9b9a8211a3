"""What tests of only_when_field_changed() share."""

import gc

from django.core import serializers
from django.db.models.signals import post_save, pre_save
from django.test import TestCase
from django.utils import timezone

from signalscope import only_when_field_changed
from tests.warehouse.models import Product


def fixture(pk, **values):
    """Return an object of a fixture, to be saved."""
    values = {"checked_at": timezone.now().isoformat(), **values}
    rows = [{"model": "warehouse.product", "pk": pk, "fields": values}]
    (loaded,) = serializers.deserialize("python", rows)
    return loaded


class ChangedTestCase(TestCase):
    """Hears pre_save and post_save under the condition; self.heard has what it was told."""

    fields = ("price", "stock", "supplier")

    def setUp(self):
        self.addCleanup(gc.collect)
        self.heard = []
        self.keep = []

    def hear(self, *fields, signals=(pre_save, post_save), sender=Product):
        """Connect receivers that ask for changes of some fields."""
        for signal in signals:
            name = "pre" if signal is pre_save else "post"

            @only_when_field_changed(*(fields or self.fields))
            def heard(sender, changed, name=name, **kwargs):
                self.heard.append((name, changed))

            self.keep.append(heard)
            signal.connect(heard, sender=sender)
            self.addCleanup(signal.disconnect, heard, sender=sender)

    def take(self):
        """Return what was heard, and forget it."""
        heard, self.heard[:] = list(self.heard), []
        return heard

    def assert_heard(self, **expected):
        """Expect both signals to have told of these changes, once; of none, to be silent."""
        self.assertEqual(self.take(), [("pre", expected), ("post", expected)] if expected else [])
