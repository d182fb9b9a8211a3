"""The manager beside Django's own."""

from django.db import connection, transaction
from django.db.models import F
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from tests.bulk.hearing import heard, parcels, rows, stored, upsert
from tests.bulk.models import Parcel, Sticker

# What a project may call, each with a manager and the parcels A, B and C.
CALLS = {
    "create": lambda manager, _: manager.bulk_create(parcels("D", "E")),
    "create, empty list": lambda manager, _: manager.bulk_create([]),
    "create, empty tuple": lambda manager, _: manager.bulk_create(()),
    "create, None": lambda manager, _: manager.bulk_create(None),
    "create, generator": lambda manager, _: manager.bulk_create(p for p in parcels("D", "E")),
    "create, empty generator": lambda manager, _: manager.bulk_create(p for p in parcels()),
    "create, by name": lambda manager, _: manager.bulk_create(objs=parcels("D"), batch_size=1),
    "create, batches": lambda manager, _: manager.bulk_create(parcels("D", "E", "F"), 2),
    "create, bad batches": lambda manager, _: manager.bulk_create(parcels("D"), batch_size=-1),
    "create, keys": lambda manager, _: manager.bulk_create(
        [Parcel(pk=10**6, code="D"), *parcels("E")]
    ),
    "create, ignored": lambda manager, _: manager.bulk_create(
        parcels("A", "D"), ignore_conflicts=True
    ),
    "create, by position": lambda manager, _: manager.bulk_create(parcels("A", "D"), None, True),
    "create, updated": lambda manager, _: manager.bulk_create(
        parcels("A", "D", weight=7), **upsert()
    ),
    "create, both": lambda manager, _: manager.bulk_create(
        parcels("D"), ignore_conflicts=True, update_conflicts=True
    ),
    "create, conflict": lambda manager, _: manager.bulk_create(parcels("D", "A")),
    "create, unknown argument": lambda manager, _: manager.bulk_create(parcels("D"), size=1),
    "create, no argument": lambda manager, _: manager.bulk_create(),
    "bulk update": lambda manager, abc: manager.bulk_update(abc, ["weight", "note"]),
    "bulk update, batches": lambda manager, abc: manager.bulk_update(abc, ["weight"], batch_size=2),
    "bulk update, generators": lambda manager, abc: manager.bulk_update(
        (parcel for parcel in abc), (name for name in ["weight"]), 2
    ),
    "bulk update, by name": lambda manager, abc: manager.bulk_update(objs=abc, fields=["weight"]),
    "bulk update, nothing": lambda manager, _: manager.bulk_update([], ["weight"]),
    "bulk update, no fields": lambda manager, abc: manager.bulk_update(abc, []),
    "bulk update, key": lambda manager, abc: manager.bulk_update(abc, ["id"]),
    "bulk update, unsaved": lambda manager, _: manager.bulk_update(parcels("D"), ["weight"]),
    "bulk update, filtered": lambda manager, abc: manager.filter(code="A").bulk_update(
        abc, ["weight"]
    ),
    "update": lambda manager, _: manager.update(weight=5),
    "update, expression": lambda manager, _: manager.exclude(code="B").update(
        weight=F("weight") + 1
    ),
    "update, nothing": lambda manager, _: manager.none().update(weight=5),
    "update, ordered": lambda manager, _: manager.order_by("-code").update(weight=5),
    "update, values": lambda manager, _: manager.values("code").update(weight=5),
    "update, sliced": lambda manager, _: manager.order_by("code")[:1].update(weight=5),
    "update, united": lambda manager, _: manager.all().union(manager.all()).update(weight=5),
    "update, no field": lambda manager, _: manager.update(size=5),
    "update, no fields": lambda manager, _: manager.update(),
    "delete": lambda manager, _: manager.all().delete(),
    "delete, filtered": lambda manager, _: manager.filter(code__in=["A", "C"]).delete(),
    "delete, related": lambda manager, _: manager.filter(stickers__text="x").delete(),
    "delete, nothing": lambda manager, _: manager.none().delete(),
    "delete, sliced": lambda manager, _: manager.all()[:1].delete(),
    "delete, values": lambda manager, _: manager.values("code").delete(),
    "delete, unknown argument": lambda manager, _: manager.all().delete(now=True),
    "get or create": lambda manager, _: manager.get_or_create(code="D")[1],
    "update or create": lambda manager, _: manager.update_or_create(
        code="A", defaults={"weight": 3}
    )[1],
    "raw delete": lambda manager, _: manager.filter(code="B")._raw_delete("default"),
}


class SameTests(TestCase):
    """The manager does what Django's does."""

    maxDiff = None

    def outcome(self, call, manager):
        """Return what a call returns or raises, how many statements it takes, and the rows."""
        with transaction.atomic():
            abc = stored("A", "B", "C")
            Sticker(parcel=abc[0], text="x").save()
            for weight, parcel in enumerate(abc, 20):
                parcel.weight = weight
            with CaptureQueriesContext(connection) as queries:
                try:
                    with transaction.atomic():
                        result = call(manager, abc)
                except Exception as error:
                    # Not its text: Python's own names the class.
                    result = type(error)
            if isinstance(result, list):
                result = [
                    (parcel.code, parcel.pk is None, parcel._state.adding, parcel._state.db)
                    for parcel in result
                ]
            found = [type(result), result, len(queries), rows(), Sticker.objects.count()]
            transaction.set_rollback(True)
        return found

    def test_nobody_listens(self):
        """Same return values, errors, number of statements and rows, whatever is called."""
        for name, call in CALLS.items():
            expected = self.outcome(call, Parcel.plain)
            for manager in (Parcel.objects, Parcel.parcels, Parcel.as_manager):
                with self.subTest(call=name, manager=str(manager)):
                    self.assertEqual(self.outcome(call, manager), expected)

    def test_somebody_listens(self):
        """Receivers change nothing of it, nor do they cost a statement."""
        for name, call in CALLS.items():
            with self.subTest(call=name):
                expected = self.outcome(call, Parcel.plain)
                with heard(Parcel):
                    self.assertEqual(self.outcome(call, Parcel.parcels), expected)

    def test_statements(self):
        """The statements are the same to the letter, heard or not."""
        parcel = stored("A")[0]
        parcel.weight = 9

        def statements(manager):
            with CaptureQueriesContext(connection) as queries:
                manager.bulk_update([parcel], ["weight"])
                manager.filter(code="A").update(note="n")
                manager.filter(code="Z").delete()
                manager.bulk_create([Parcel(pk=10**6, code="Z")])
                manager.filter(pk=10**6)._raw_delete("default")
            return [query["sql"] for query in queries]

        expected = statements(Parcel.plain)
        self.assertGreater(len(expected), 4)
        self.assertEqual(statements(Parcel.objects), expected)
        with heard(Parcel):
            self.assertEqual(statements(Parcel.objects), expected)
