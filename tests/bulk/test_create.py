"""Tests of bulk_create()."""

from django.db import IntegrityError, connection, models, transaction
from django.db.models.signals import pre_save
from django.test import TestCase

from signalscope import bulk
from signalscope.bulk import BulkSignalQuerySet
from tests.bulk.hearing import (
    INSTANCE_SIGNALS,
    SIGNALS,
    heard,
    names,
    parcels,
    rows,
    stored,
    upsert,
)
from tests.bulk.models import Express, Parcel, Sticker


class CreateTests(TestCase):
    def test_arguments(self):
        """Both signals have the instances and the arguments of bulk_create(), by name."""
        instances = parcels("A", "B")
        with heard(Parcel) as found:
            created = Parcel.objects.bulk_create(instances, 100)
        self.assertEqual(created, instances)
        self.assertEqual(names(found), ["pre_bulk_created", "bulk_created"])
        for _, named in found:
            self.assertEqual(
                named,
                {
                    "sender": Parcel,
                    "instances": instances,
                    "batch_size": 100,
                    "ignore_conflicts": False,
                    "update_conflicts": False,
                    "update_fields": None,
                    "unique_fields": None,
                    "using": "default",
                },
            )

    def test_moment(self):
        """The first signal comes before the rows, the second one with them and their keys."""
        seen = []

        def look(instances, **named):
            seen.append((Parcel.plain.count(), [parcel.pk is None for parcel in instances]))

        bulk.pre_bulk_created.connect(look)
        bulk.bulk_created.connect(look)
        try:
            Parcel.objects.bulk_create(parcels("A", "B"))
        finally:
            bulk.pre_bulk_created.disconnect(look)
            bulk.bulk_created.disconnect(look)
        has_no_key = not connection.features.can_return_rows_from_bulk_insert
        self.assertEqual(seen, [(0, [True, True]), (2, [has_no_key] * 2)])

    def test_conflicts(self):
        """Receivers are told that some may not have been created."""
        stored("A")
        with heard(Parcel) as found:
            Parcel.objects.bulk_create(parcels("A", "B"), None, True)
            Parcel.objects.bulk_create(parcels("A", "C", weight=7), **upsert())
        told = [
            (named["ignore_conflicts"], named["update_conflicts"], named["update_fields"])
            for name, named in found
            if name == "bulk_created"
        ]
        self.assertEqual(told, [(True, False, None), (False, True, ["weight"])])
        self.assertEqual(rows(), [("A", 7, ""), ("B", 1, ""), ("C", 7, "")])

    def test_nothing(self):
        """Nothing to create, no signal."""
        with heard() as found:
            Parcel.objects.bulk_create([])
            Parcel.objects.bulk_create(parcel for parcel in ())
        self.assertEqual(found, [])

    def test_silent(self):
        """send_signals=False sends none, not even those of instances."""
        with heard() as found, heard(Parcel, INSTANCE_SIGNALS) as saved:
            Parcel.objects.bulk_create(parcels("A"), send_signals=False)
            Parcel.objects.bulk_create(parcels("B"), send_signals=False, per_instance=True)
        self.assertEqual((found, saved), ([], []))
        self.assertEqual(len(rows()), 2)

    def test_per_instance(self):
        """per_instance=True sends pre_save and post_save as save() does, inside of the others."""
        with heard(Parcel, {**SIGNALS, **INSTANCE_SIGNALS}) as found:
            a, b = Parcel.objects.bulk_create(parcels("A", "B"), per_instance=True)
        self.assertEqual(
            names(found),
            ["pre_bulk_created", *["pre_save"] * 2, *["post_save"] * 2, "bulk_created"],
        )
        common = {"sender": Parcel, "raw": False, "using": "default", "update_fields": None}
        self.assertEqual(
            [named for _, named in found[1:-1]],
            [
                {**common, "instance": a},
                {**common, "instance": b},
                {**common, "instance": a, "created": True},
                {**common, "instance": b, "created": True},
            ],
        )

    def test_per_instance_as_save(self):
        """The arguments are those that save() sends."""
        with heard(Parcel, INSTANCE_SIGNALS) as saved:
            Parcel(code="A").save()
        with heard(Parcel, INSTANCE_SIGNALS) as found:
            Parcel.objects.bulk_create(parcels("B"), per_instance=True)
        for (name, named), (expected_name, expected) in zip(found, saved, strict=True):
            self.assertEqual(name, expected_name)
            self.assertEqual({**named, "instance": None}, {**expected, "instance": None})

    def test_per_instance_changes(self):
        """What a receiver of pre_save sets is stored."""

        def fill(instance, **named):
            instance.note = "filled"

        pre_save.connect(fill, sender=Parcel)
        try:
            Parcel.objects.bulk_create(parcels("A"), per_instance=True)
        finally:
            pre_save.disconnect(fill, sender=Parcel)
        self.assertEqual(rows(), [("A", 1, "filled")])

    def test_per_instance_conflicts(self):
        """Nobody knows what is created then, so that it is refused, heard or not."""
        for options in ({"ignore_conflicts": True}, upsert()):
            with self.assertRaisesMessage(ValueError, "per_instance=True cannot be used with"):
                Parcel.objects.bulk_create(parcels("A"), per_instance=True, **options)
        self.assertEqual(rows(), [])

    def test_pre_stops(self):
        """What a receiver of the first signal raises goes to the caller, and nothing is done."""

        def refuse(**named):
            raise RuntimeError("no")

        bulk.pre_bulk_created.connect(refuse)
        try:
            with heard() as found, self.assertRaisesMessage(RuntimeError, "no"):
                Parcel.objects.bulk_create(parcels("A"))
        finally:
            bulk.pre_bulk_created.disconnect(refuse)
        self.assertEqual((names(found), rows()), ([], []))

    def test_failure(self):
        """Where Django fails there is no second signal."""
        stored("A")
        with heard() as found, self.assertRaises(IntegrityError), transaction.atomic():
            Parcel.objects.bulk_create(parcels("B", "A"))
        self.assertEqual(names(found), ["pre_bulk_created"])

    def test_beside_another_queryset(self):
        """The arguments of another class's bulk_create() are passed on, and told."""

        class Tagging(models.QuerySet):
            def bulk_create(self, rows, *, tag, **kwargs):
                for row in rows:
                    row.note = tag
                return super().bulk_create(rows, **kwargs)

        class Both(BulkSignalQuerySet, Tagging):
            pass

        with heard(Parcel) as found:
            Both(Parcel).bulk_create(parcels("A"), tag="new", batch_size=1)
        self.assertEqual(rows(), [("A", 1, "new")])
        self.assertEqual([named["tag"] for _, named in found], ["new", "new"])

    def test_proxy(self):
        """The sender is the model whose manager it is."""
        with heard() as found:
            Express.objects.bulk_create([Express(code="A")])
        self.assertEqual([named["sender"] for _, named in found], [Express, Express])

    def test_related_manager(self):
        """So does a manager of related objects that is made of it."""
        (parcel,) = stored("A")
        with heard(Sticker) as found:
            parcel.stickers.bulk_create([Sticker(parcel=parcel, text="x")])
            parcel.stickers.clear()
        self.assertEqual(
            names(found),
            ["pre_bulk_created", "bulk_created", "pre_bulk_updated", "bulk_updated"],
        )
        self.assertEqual(found[-1][1]["values"], {"parcel": None})

    def test_sender_as_text(self):
        """A receiver may name its sender, as with Django's model signals."""
        heard_by = []

        def receive(sender, **named):
            heard_by.append(sender)

        bulk.bulk_created.connect(receive, sender="bulk.Parcel")
        try:
            Parcel.objects.bulk_create(parcels("A"))
            Sticker.objects.bulk_create([Sticker(text="x")])
        finally:
            bulk.bulk_created.disconnect(receive, sender="bulk.Parcel")
        self.assertEqual(heard_by, [Parcel])
