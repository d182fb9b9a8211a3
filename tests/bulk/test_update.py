"""Tests of bulk_update() and update()."""

from django.db.models import F
from django.db.models.signals import post_save, pre_save
from django.test import TestCase

from signalscope import bulk
from signalscope.bulk import BulkSignalQuerySet
from tests.bulk.hearing import INSTANCE_SIGNALS, SIGNALS, heard, names, stored
from tests.bulk.models import Parcel, Ring, Slot, Sticker


class UpdateTests(TestCase):
    def setUp(self):
        self.a, self.b, self.c = stored("A", "B", "C")

    def test_bulk_update(self):
        """The signals have the instances, their keys and the fields; only the second the count."""
        self.a.weight = self.b.weight = 9
        with heard(Parcel) as found:
            count = Parcel.objects.bulk_update([self.a, self.b], ["weight"])
        named = {
            "sender": Parcel,
            "instances": [self.a, self.b],
            "queryset": None,
            "fields": ["weight"],
            "values": None,
            "keys": [self.a.pk, self.b.pk],
            "using": "default",
        }
        self.assertEqual(count, 2)
        self.assertEqual(
            found, [("pre_bulk_updated", named), ("bulk_updated", {**named, "row_count": 2})]
        )

    def test_batches(self):
        """However many statements it takes, it is one update."""
        with heard(Parcel) as found:
            Parcel.objects.bulk_update([self.a, self.b, self.c], ["weight"], batch_size=1)
        self.assertEqual(names(found), ["pre_bulk_updated", "bulk_updated"])

    def test_bulk_update_silent(self):
        """send_signals=False holds for the updates that Django makes of it, too."""
        with heard() as found:
            Parcel.objects.bulk_update([self.a], ["weight"], send_signals=False)
        self.assertEqual(found, [])

    def test_loud_again(self):
        """A queryset whose bulk_update() ran sends signals as before."""
        queryset = Parcel.objects.all()
        queryset.bulk_update([self.a], ["weight"])
        with heard() as found:
            queryset.filter(code="A").update(weight=3)
        self.assertEqual(names(found), ["pre_bulk_updated", "bulk_updated"])

    def test_own_update(self):
        """Django's bulk_update() calls the update() of a subclass, as it always does."""
        calls = []

        class Counting(BulkSignalQuerySet):
            def update(self, **kwargs):
                calls.append(set(kwargs))
                return super().update(**kwargs)

        with heard(Parcel) as found:
            Counting(Parcel).bulk_update([self.a, self.b], ["weight"], batch_size=1)
        self.assertEqual(calls, [{"weight"}] * 2)
        self.assertEqual(names(found), ["pre_bulk_updated", "bulk_updated"])

    def test_bulk_update_per_instance(self):
        """per_instance=True sends pre_save and post_save with the names of the fields."""
        with heard(Parcel, {**SIGNALS, **INSTANCE_SIGNALS}) as found:
            Parcel.objects.bulk_update([self.a], ["weight"], per_instance=True)
        self.assertEqual(
            names(found), ["pre_bulk_updated", "pre_save", "post_save", "bulk_updated"]
        )
        named = {
            "sender": Parcel,
            "instance": self.a,
            "raw": False,
            "using": "default",
            "update_fields": frozenset({"weight"}),
        }
        self.assertEqual([found[1][1], found[2][1]], [named, {**named, "created": False}])

    def test_update(self):
        """The signals have the queryset and the values, no keys, and cost no query."""
        add_one = F("weight") + 1
        with heard(Parcel) as found, self.assertNumQueries(1):
            count = Parcel.objects.exclude(code="B").update(weight=add_one, note="n")
        self.assertEqual(count, 2)
        querysets = [named.pop("queryset") for _, named in found]
        named = {
            "sender": Parcel,
            "instances": None,
            "fields": ["weight", "note"],
            "values": {"weight": add_one, "note": "n"},
            "keys": None,
            "using": "default",
        }
        self.assertEqual(
            found, [("pre_bulk_updated", named), ("bulk_updated", {**named, "row_count": 2})]
        )
        for queryset in querysets:
            self.assertEqual([parcel.code for parcel in queryset.order_by("code")], ["A", "C"])

    def test_queryset_is_copied(self):
        """What receivers do to the queryset is nothing to the caller, nor to the second signal."""
        codes = []

        def look(queryset, **named):
            codes.append([parcel.code for parcel in queryset])

        queryset = Parcel.objects.filter(weight=1).order_by("code")
        bulk.pre_bulk_updated.connect(look)
        bulk.bulk_updated.connect(look)
        try:
            queryset.update(weight=2)
        finally:
            bulk.pre_bulk_updated.disconnect(look)
            bulk.bulk_updated.disconnect(look)
        self.assertEqual(codes, [["A", "B", "C"], []])
        self.assertIsNone(queryset._result_cache)

    def test_update_keys(self):
        """keys=True asks for the keys first, by one query, and both signals have them."""
        with heard(Parcel) as found, self.assertNumQueries(2):
            Parcel.objects.filter(weight=1).exclude(code="C").update(weight=5, keys=True)
        for _, named in found:
            self.assertCountEqual(named["keys"], [self.a.pk, self.b.pk])
            self.assertEqual(named["fields"], ["weight"])

    def test_joined(self):
        """A row that a join finds several times has one key, and one signal of each kind."""
        Sticker.objects.bulk_create([Sticker(parcel=self.a, text="x") for _ in range(3)])
        joined = Parcel.objects.filter(stickers__text="x")
        with heard(Parcel) as found, heard(Parcel, INSTANCE_SIGNALS) as saved:
            self.assertEqual(joined.update(weight=5, per_instance=True), 1)
            joined.delete(keys=True)
        self.assertEqual([named["keys"] for _, named in found], [[self.a.pk]] * 4)
        self.assertEqual(names(saved), ["pre_save", "post_save"])

    def test_update_keys_unheard(self):
        """Nobody is asked for keys where nobody listens."""
        with self.assertNumQueries(1):
            self.assertEqual(Parcel.objects.update(weight=5, keys=True), 3)

    def test_update_composite_keys(self):
        """A key of several parts is a tuple."""
        Slot.objects.bulk_create([Slot(row=1, number=2), Slot(row=1, number=3)])
        with heard(Slot) as found, heard(Slot, INSTANCE_SIGNALS) as saved:
            Slot.objects.filter(number=3).update(is_free=False, per_instance=True)
        self.assertEqual(found[1][1]["keys"], [(1, 3)])
        self.assertEqual([named["instance"].is_free for _, named in saved], [True, False])

    def test_update_silent(self):
        """send_signals=False sends none, and is no field."""
        with heard() as found:
            self.assertEqual(Parcel.objects.update(weight=5, send_signals=False), 3)
        self.assertEqual(found, [])

    def test_update_per_instance(self):
        """The instances are loaded: before, with the old values, and after, with the new ones."""
        weights = []

        def look(instance, **named):
            weights.append((instance.code, instance.weight))

        pre_save.connect(look, sender=Parcel)
        post_save.connect(look, sender=Parcel)
        try:
            with heard(Parcel, INSTANCE_SIGNALS) as saved, self.assertNumQueries(4):
                Parcel.objects.filter(code="A").update(weight=F("weight") + 1, per_instance=True)
        finally:
            pre_save.disconnect(look, sender=Parcel)
            post_save.disconnect(look, sender=Parcel)
        self.assertEqual(weights, [("A", 1), ("A", 2)])
        self.assertEqual(saved[0][1]["update_fields"], frozenset({"weight"}))
        self.assertFalse(saved[1][1]["created"])

    def test_update_per_instance_unheard(self):
        """Nothing is loaded for signals that nobody hears."""
        with heard(), self.assertNumQueries(1):
            Parcel.objects.filter(code="A").update(weight=5, per_instance=True)

    def test_router(self):
        """The database is the one that is written to, also for looking up keys."""

        class Router:
            def db_for_read(self, model, **hints):
                return "replica"

            def db_for_write(self, model, **hints):
                return "default"

        with heard(Parcel) as found, self.settings(DATABASE_ROUTERS=[Router()]):
            Parcel.objects.update(weight=5, keys=True)
            Parcel.objects.all().delete(keys=True)
        self.assertEqual([named["using"] for _, named in found], ["default"] * 4)

    def test_field_named_as_option(self):
        """A field wins over the option of its name."""
        ring = Ring.objects.create(keys=1)
        with heard(Ring) as found:
            Ring.objects.update(keys=5, send_signals=True)
        ring.refresh_from_db()
        self.assertEqual(ring.keys, 5)
        self.assertEqual(found[1][1]["values"], {"keys": 5})

    def test_update_or_create(self):
        """What saves instances one by one sends no bulk signals."""
        with heard() as found:
            Parcel.objects.update_or_create(code="A", defaults={"weight": 3})
            Parcel.objects.get_or_create(code="D")
            Parcel.objects.create(code="E")
        self.assertEqual(found, [])
