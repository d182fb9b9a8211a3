"""Tests of the manager and the queryset as classes."""

import inspect
import pickle

from django.db import models
from django.test import SimpleTestCase

from signalscope.bulk import BulkSignalManager, BulkSignalQuerySet
from tests.bulk.models import Parcel, ParcelQuerySet


class ManagerTests(SimpleTestCase):
    def test_attributes(self):
        """Templates and managers find at each method what they find at Django's."""
        for name, method in vars(BulkSignalQuerySet).items():
            own = getattr(models.QuerySet, name, None)
            if not callable(own) or name.startswith("__"):
                continue
            with self.subTest(method=name):
                for attribute in ("alters_data", "queryset_only"):
                    self.assertEqual(
                        getattr(method, attribute, None), getattr(own, attribute, None)
                    )
                self.assertEqual(
                    inspect.iscoroutinefunction(method), inspect.iscoroutinefunction(own)
                )
                self.assertEqual(hasattr(BulkSignalManager, name), hasattr(models.Manager, name))

    def test_from_queryset(self):
        """A manager has the methods of a queryset, and makes that queryset."""
        self.assertIsInstance(Parcel.parcels.heavy(), ParcelQuerySet)
        self.assertIsInstance(Parcel.as_manager.heavy(), BulkSignalQuerySet)
        self.assertIsInstance(Parcel.objects.all(), BulkSignalQuerySet)

    def test_from_other_queryset(self):
        """A queryset that would send nothing is refused."""

        class OtherQuerySet(models.QuerySet):
            pass

        with self.assertRaisesMessage(TypeError, "OtherQuerySet is no BulkSignalQuerySet"):
            BulkSignalManager.from_queryset(OtherQuerySet)

    def test_migrations(self):
        """A migration does not mention it, unless a subclass says so; then it finds it."""
        self.assertFalse(BulkSignalManager.use_in_migrations)
        self.assertEqual(
            BulkSignalManager().deconstruct(),
            (False, "signalscope.bulk.BulkSignalManager", None, (), {}),
        )

    def test_pickle(self):
        """A query can be pickled, as Django's can."""
        queryset = Parcel.objects.filter(code="A")
        restored = Parcel.objects.all()
        restored.query = pickle.loads(pickle.dumps(queryset.query))
        self.assertEqual(str(restored.query), str(queryset.query))
