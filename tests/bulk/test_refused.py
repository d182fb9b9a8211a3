"""Tests of what Django refuses: nothing is sent for it, and the error is Django's."""

from django.db import connection, models, transaction
from django.db.models import Count, F, Sum
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from signalscope.bulk import BulkSignalQuerySet
from tests.bulk.hearing import INSTANCE_SIGNALS, SIGNALS, heard, names, parcels, rows, stored
from tests.bulk.models import Depot, Parcel
from tests.warehouse.models import Perishable

# Each with a queryset, the parcels A and B, and options that only update() and delete() take.
UPDATES = {
    "sliced": lambda rows, **options: rows[:1].update(weight=5, **options),
    "united": lambda rows, **options: rows.union(rows).update(weight=5, **options),
    "no such field": lambda rows, **options: rows.update(size=5, **options),
    "misspelt option": lambda rows, **options: rows.update(send_signal=False, **options),
    "relation": lambda rows, **options: rows.update(stickers=5, **options),
    "no number": lambda rows, **options: rows.update(weight="heavy", **options),
    "joined": lambda rows, **options: rows.update(note=F("stickers__text"), **options),
    "aggregate": lambda rows, **options: rows.update(weight=Sum("weight"), **options),
    "ordered by an aggregate": lambda rows, **options: (
        rows.annotate(count=Count("stickers")).order_by("count").update(weight=5, **options)
    ),
}
DELETES = {
    "sliced": lambda rows, **options: rows[:1].delete(**options),
    "united": lambda rows, **options: rows.union(rows).delete(**options),
    "values": lambda rows, **options: rows.values("code").delete(**options),
    "values list": lambda rows, **options: rows.values_list("code").delete(**options),
    "distinct fields": lambda rows, **options: rows.distinct("code").delete(**options),
    "unknown option": lambda rows, **options: rows.delete(per_instance=True, **options),
    "argument": lambda rows, **options: rows.delete(1, **options),
}
CREATES = {
    "no batch": lambda rows, _: rows.bulk_create(parcels("D"), batch_size=0),
    "no batch, by position": lambda rows, _: rows.bulk_create(parcels("D"), -1),
    "ignored and updated": lambda rows, _: rows.bulk_create(
        parcels("D"), ignore_conflicts=True, update_conflicts=True
    ),
    "nothing to update": lambda rows, _: rows.bulk_create(parcels("D"), update_conflicts=True),
    "no such field": lambda rows, _: rows.bulk_create(
        parcels("D"), update_conflicts=True, update_fields=["size"], unique_fields=["code"]
    ),
    "key": lambda rows, _: rows.bulk_create(
        parcels("D"), update_conflicts=True, update_fields=["id"], unique_fields=["code"]
    ),
    "unknown argument": lambda rows, _: rows.bulk_create(parcels("D"), size=1),
}
BULK_UPDATES = {
    "no batch": lambda rows, both: rows.bulk_update(both, ["weight"], batch_size=0),
    "no fields": lambda rows, both: rows.bulk_update(both, []),
    "no such field": lambda rows, both: rows.bulk_update(both, ["size"]),
    "key": lambda rows, both: rows.bulk_update(both, ["id"]),
    "relation": lambda rows, both: rows.bulk_update(both, ["stickers"]),
    "one without a key": lambda rows, both: rows.bulk_update([*both, *parcels("D")], ["weight"]),
    "unknown argument": lambda rows, both: rows.bulk_update(both, ["weight"], size=1),
}


class RefusedTests(TestCase):
    def setUp(self):
        self.both = stored("A", "B")

    def check(self, call, expected):
        """Assert that a call raises what another one does, and that nothing else happens."""
        # Some errors leave a transaction that can only be rolled back.
        with transaction.atomic(), self.assertRaises(Exception) as django:
            expected()
        before = rows()
        with (
            heard(Parcel, {**SIGNALS, **INSTANCE_SIGNALS}) as found,
            transaction.atomic(),
            CaptureQueriesContext(connection) as queries,
            self.assertRaises(type(django.exception)) as ours,
        ):
            call()
        self.assertEqual(str(ours.exception), str(django.exception))
        self.assertEqual((names(found), len(queries), rows()), ([], 0, before))

    def test_queryset(self):
        """update() and delete() of what can be neither, with every option that costs a query."""
        for calls, options in (
            (UPDATES, ({}, {"keys": True}, {"per_instance": True})),
            (DELETES, ({}, {"keys": True})),
        ):
            for name, call in calls.items():
                for given in options:
                    with self.subTest(name, **given):
                        self.check(
                            lambda call=call, given=given: call(Parcel.objects.all(), **given),
                            lambda call=call: call(Parcel.plain.all()),
                        )

    def test_instances(self):
        """bulk_create() and bulk_update() with arguments that are none."""
        for calls in (CREATES, BULK_UPDATES):
            for name, call in calls.items():
                with self.subTest(name):
                    self.check(
                        lambda call=call: call(Parcel.objects, self.both),
                        lambda call=call: call(Parcel.plain, self.both),
                    )

    def test_queryset_is_left_as_it_is(self):
        """Asking Django changes nothing in the queryset that was called."""
        queryset = Parcel.objects.all()

        def stop(**named):
            raise ZeroDivisionError

        with heard(Parcel):
            for signal in SIGNALS.values():
                signal.connect(stop, sender=Parcel)
            try:
                for call in (
                    lambda: queryset.update(weight=5),
                    queryset.delete,
                    lambda: queryset.bulk_create(parcels("D")),
                    lambda: queryset.bulk_update(self.both, ["weight"]),
                ):
                    self.assertRaises(ZeroDivisionError, call)
            finally:
                for signal in SIGNALS.values():
                    signal.disconnect(stop, sender=Parcel)
        self.assertFalse(queryset._for_write)
        self.assertEqual(len(queryset), 2)

    def test_several_tables(self):
        """A model of two tables is updated by the statements that Django takes, heard or not."""
        seen = []
        for rows_of in (models.QuerySet(Perishable), BulkSignalQuerySet(Perishable)):
            row = Perishable.objects.create(title="Milk")
            with heard(Perishable), CaptureQueriesContext(connection) as queries:
                count = rows_of.filter(title="Milk").update(title="Whey", shelf_days=3)
            row.refresh_from_db()
            seen.append((count, row.title, row.shelf_days, len(queries)))
            row.delete()
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0][:3], (1, "Whey", 3))

    def test_fields_of_any_name(self):
        """A field may be called as an argument of ours is."""
        Depot.objects.create(name="a")
        with heard(Depot):
            self.assertEqual(BulkSignalQuerySet(Depot).update(name="b"), 1)

    def test_another_librarys(self):
        """A method of another queryset, next in line, is called once, and decides by itself."""
        calls = []

        class Renaming(models.QuerySet):
            def update(self, **kwargs):
                calls.append(kwargs)
                return super().update(weight=kwargs["size"])

        class Both(BulkSignalQuerySet, Renaming):
            pass

        with heard(Parcel) as found:
            self.assertEqual(Both(Parcel).update(size=5), 2)
        self.assertEqual(calls, [{"size": 5}])
        self.assertEqual(names(found), ["pre_bulk_updated", "bulk_updated"])
