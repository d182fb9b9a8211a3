"""What the rest of signalscope makes of bulk signals, and of rows that vanish without any."""

import pkgutil
import sys
import types
from unittest import skipUnless

from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete
from django.test import SimpleTestCase, TestCase

import signalscope
from signalscope import bulk, checks, conf
from signalscope.core.names import matches
from signalscope.registry.signals import Registry
from tests.activity.tracking import tracked
from tests.bulk.hearing import SIGNALS
from tests.bulk.models import Parcel, Shelf, Sticker
from tests.trees import connected, recorded


class RecordTests(TestCase):
    def test_recorded(self):
        """They are recorded as the project's own signals are, with what happens in them."""

        def receive(instances, **named):
            Sticker(parcel=instances[0], text="x").save()

        def saved(**named):
            pass

        bulk.bulk_created.connect(receive, sender=Parcel)
        post_save.connect(saved, sender=Sticker)
        try:
            with recorded() as seen:
                Parcel.objects.bulk_create([Parcel(pk=10**6, code="A")])
        finally:
            bulk.bulk_created.disconnect(receive, sender=Parcel)
            post_save.disconnect(saved, sender=Sticker)
        self.assertIn("bulk_created\n  receive ok\n    post_save\n", seen.text)
        self.assertEqual(
            [dispatch.signal for dispatch in seen.dispatches()],
            ["signalscope.bulk.bulk_created"],
        )


class NameTests(SimpleTestCase):
    def test_registry(self):
        """They are custom signals, named by their module, whoever imports them first."""
        module = types.ModuleType("tests.bulk.signals")
        module.__dict__.update(SIGNALS)
        sys.modules["tests.bulk.signals"] = module
        self.addCleanup(sys.modules.pop, "tests.bulk.signals")
        found = {
            info.name: info for info in Registry().signals() if info.signal in SIGNALS.values()
        }
        self.assertEqual(sorted(found), sorted(f"signalscope.bulk.{name}" for name in SIGNALS))
        self.assertEqual({info.family for info in found.values()}, {"custom"})

    def test_nothing_else(self):
        """Of all that is signalscope's they alone are recorded."""
        modules = [module.name for module in pkgutil.iter_modules(signalscope.__path__)]
        self.assertEqual(
            [name for name in modules if not matches(conf.NOISE, f"signalscope.{name}.x")], ["bulk"]
        )
        self.assertTrue(matches(conf.NOISE, "signalscope.Trace"))


@skipUnless(hasattr(models, "DB_CASCADE"), "new in Django 6.1")
class CascadeTests(SimpleTestCase):
    def found(self):
        """Return what the check says: id, field, and the beginning of the sentence."""
        return [
            f"{message.id} {message.obj} {message.msg.partition(' have')[0]}"
            for message in checks.check_cascades(None)
        ]

    def test_nobody_listens(self):
        """Rows may vanish where nobody waits for it."""
        self.assertEqual(self.found(), [])

    def test_receiver(self):
        """A model with a receiver of either signal is named."""

        def receive(**named):
            pass

        for signal in (pre_delete, post_delete):
            with connected(signal, receive, sender=Shelf):
                self.assertEqual(
                    self.found(),
                    ["signalscope.W005 bulk.Shelf.depot pre_delete and post_delete of bulk.Shelf"],
                )

    def test_receiver_of_other_signals(self):
        """Other signals and models do not matter."""

        def receive(**named):
            pass

        with (
            connected(post_save, receive, sender=Shelf),
            connected(post_delete, receive, sender=Parcel),
        ):
            self.assertEqual(self.found(), [])

    def test_tracked(self):
        """So are a tracked model and its proxies."""
        with tracked(Shelf):
            self.assertEqual(
                [line.rpartition(" ")[2] for line in self.found()], ["bulk.Shelf", "bulk.Box"]
            )
