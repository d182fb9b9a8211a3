"""The samples of docs/howto/bulk.rst run as they stand, and what it says of others holds."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.db.models.signals import post_save, pre_save
from django.test import SimpleTestCase, TestCase

import signalscope
from signalscope import only_when_field_changed
from signalscope.bulk import BulkSignalQuerySet
from tests.bulk.hearing import heard, names, stored
from tests.bulk.models import Sticker
from tests.test_docs import DOCS, blocks
from tests.trees import connected
from tests.warehouse.models import Product

BEFORE = """
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["signalscope", "shop"],
    SIGNALSCOPE={"ENABLED": False},
)
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)
"""
AFTER = """
from shop.models import Product
print(list(Product.objects.values_list("name", "price")))
"""


class SampleTests(SimpleTestCase):
    def test_they_run(self):
        """Files are written as their captions say; the others run one after another."""
        with tempfile.TemporaryDirectory(prefix="signalscope-bulk-") as folder:
            (Path(folder) / "shop").mkdir()
            script = BEFORE
            for caption, code in blocks(DOCS / "howto" / "bulk.rst", "python"):
                if caption:
                    (Path(folder) / caption).write_text(code, encoding="utf-8")
                else:
                    script += code
            # A project of its own, not a part of this test run.
            apart = ("DJANGO_SETTINGS_MODULE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST")
            finished = subprocess.run(
                [sys.executable, "-c", script + AFTER],
                cwd=folder,
                env={
                    **{name: value for name, value in os.environ.items() if name not in apart},
                    "PYTHONPATH": str(Path(signalscope.__file__).resolve().parent.parent),
                },
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertEqual(finished.stdout, "[('Pen', 2)]\n")
        # One for each that is not silent.
        self.assertEqual(finished.stderr, "1 new products in default\n" * 2)


class RelatedManagerTests(TestCase):
    def test_default_manager_sends(self):
        """update(), bulk_create(), remove(), clear() and delete() send; add() does not."""
        (parcel,) = stored("A")
        first, second = (Sticker.objects.create(parcel=parcel) for _ in range(2))
        stickers = parcel.stickers
        updated = ["pre_bulk_updated", "bulk_updated"]
        for name, call, expected in (
            ("update", lambda: stickers.update(text="x"), updated),
            ("remove", lambda: stickers.remove(first), updated),
            ("remove one by one", lambda: stickers.remove(second, bulk=False), []),
            ("add", lambda: stickers.add(first, second), []),
            ("clear", stickers.clear, updated),
            (
                "create",
                lambda: stickers.bulk_create([Sticker()]),
                ["pre_bulk_created", "bulk_created"],
            ),
            ("delete", lambda: stickers.all().delete(), ["pre_bulk_deleted", "bulk_deleted"]),
        ):
            with self.subTest(name), heard(Sticker) as found:
                call()
                self.assertEqual(names(found), expected)


class PerInstanceTests(TestCase):
    def test_only_when_field_changed(self):
        """It is skipped by update(), and in post_save by bulk_update(), as the pages say."""
        calls = []

        @only_when_field_changed("stock")
        def before(instance, changed, **named):
            calls.append(("pre_save", changed["stock"]))

        @only_when_field_changed("stock")
        def after(instance, changed, **named):
            calls.append(("post_save", changed["stock"]))

        products = BulkSignalQuerySet(Product)
        with (
            connected(pre_save, before, sender=Product),
            connected(post_save, after, sender=Product),
        ):
            products.bulk_create([Product(title="Pen", stock=2)], per_instance=True)
            self.assertEqual(calls, [("pre_save", (None, 2)), ("post_save", (None, 2))])
            calls.clear()
            products.update(stock=3, per_instance=True)
            self.assertEqual(calls, [])
            loaded = Product.objects.get()
            loaded.stock = 4
            products.bulk_update([loaded], ["stock"], per_instance=True)
            self.assertEqual(calls, [("pre_save", (3, 4))])
