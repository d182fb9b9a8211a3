"""Tests of delete()."""

from django.db import connection
from django.db.models.signals import post_delete, pre_delete
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from tests.bulk.hearing import SIGNALS, heard, names, rows, stored
from tests.bulk.models import Parcel, Sticker

DELETE_SIGNALS = {"pre_delete": pre_delete, "post_delete": post_delete}


class DeleteTests(TestCase):
    def setUp(self):
        self.a, self.b = stored("A", "B")
        Sticker(parcel=self.a, text="x").save()

    def test_delete(self):
        """The second signal has what delete() returns; what goes along sends none."""
        with heard() as found:
            result = Parcel.objects.filter(code="A").delete()
        self.assertEqual(result, (2, {"bulk.Parcel": 1, "bulk.Sticker": 1}))
        self.assertEqual(names(found), ["pre_bulk_deleted", "bulk_deleted"])
        querysets = [named.pop("queryset") for _, named in found]
        named = {"sender": Parcel, "keys": None, "using": "default"}
        self.assertEqual([found[0][1], found[1][1]], [named, {**named, "deleted": result}])
        self.assertEqual([list(queryset) for queryset in querysets], [[], []])

    def test_keys(self):
        """keys=True asks for the keys first, by one query."""
        with CaptureQueriesContext(connection) as without:
            Parcel.objects.filter(code="B").delete()
        stored("B")
        key = Parcel.plain.get(code="B").pk
        with heard(Parcel) as found, self.assertNumQueries(len(without) + 1):
            Parcel.objects.filter(code="B").delete(keys=True)
        self.assertEqual([named["keys"] for _, named in found], [[key], [key]])

    def test_unheard_keys(self):
        """Nobody is asked for keys where nobody listens."""
        Sticker.objects.all().delete()
        with CaptureQueriesContext(connection) as expected:
            Sticker.objects.all().delete()
        with self.assertNumQueries(len(expected)):
            Sticker.objects.all().delete(keys=True)

    def test_silent(self):
        """send_signals=False sends none."""
        with heard() as found:
            Parcel.objects.all().delete(send_signals=False)
        self.assertEqual((found, rows()), ([], []))

    def test_with_signals_of_instances(self):
        """Django's own signals come between, for each instance, with the caller's queryset."""
        queryset = Sticker.objects.all()
        with heard(Sticker, {**SIGNALS, **DELETE_SIGNALS}) as found:
            queryset.delete()
        self.assertEqual(
            names(found), ["pre_bulk_deleted", "pre_delete", "post_delete", "bulk_deleted"]
        )
        self.assertIs(found[1][1]["origin"], queryset)

    def test_fast_deletion(self):
        """Receivers of bulk signals do not turn off Django's fast deletes."""
        with heard(Sticker), self.assertNumQueries(1):
            Sticker.objects.all().delete()

    def test_instance(self):
        """Model.delete() sends none."""
        with heard() as found:
            self.a.delete()
        self.assertEqual(found, [])
