"""What is logged of the objects of tracked models."""

import contextlib
import io
import json
import pickle
import tempfile
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from unittest import mock

from asgiref.sync import async_to_sync
from django.core import serializers
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.models.signals import post_save, pre_save
from django.test import TestCase, TransactionTestCase, override_settings

from signalscope.activity.tracking import tracker
from signalscope.core import faults
from signalscope.models import ActivityLog
from tests.activity.tracking import entries, statements, take_entries, tracked
from tests.tracked.models import (
    Coupon,
    Customer,
    Invoice,
    Label,
    Place,
    Pub,
    Restaurant,
    Seat,
)
from tests.trees import connected


class SaveTests(TestCase):
    """Created and updated."""

    def setUp(self):
        self.enterContext(tracked(Invoice))
        self.invoice = Invoice.objects.create(number="1", count=1)
        self.created = take_entries()
        self.name = f"tracked.Invoice {self.invoice.pk}"

    def assert_updated(self, **changes):
        """Compare what was logged since with the one update that is expected."""
        self.assertEqual(
            take_entries(),
            [("updated", self.name, {name: list(pair) for name, pair in changes.items()})],
        )

    def test_created(self):
        """A new object has what is not empty; a decimal is as the database has it."""
        changes = {
            "number": [None, "1"],
            "status": [None, "open"],
            "total": [None, "0.00"],
            "count": [None, 1],
        }
        self.assertEqual(self.created, [("created", self.name, changes)])

    def test_label_and_moment(self):
        """An entry says which object it is about, in words too."""
        self.invoice.count = 2
        self.invoice.save()
        entry = ActivityLog.objects.get()
        self.assertEqual(entry.object_label, "invoice 1")
        self.assertEqual((entry.actor_key, entry.details), ("", {}))

    def test_updated_at_one_statement(self):
        """An update of a loaded instance costs the entry, and nothing else."""
        invoice = Invoice.objects.get()
        invoice.number = "2"
        with statements(self, 2):
            invoice.save()
        self.assert_updated(number=("1", "2"))

    def test_nothing_changed(self):
        """A save that changes nothing leaves no entry, though auto_now moves."""
        invoice = Invoice.objects.get()
        with self.assertNumQueries(1):
            invoice.save()
        self.assertEqual(take_entries(), [])

    def test_same_values_in_other_clothes(self):
        """Values are compared as the field means them."""
        invoice = Invoice.objects.get()
        self.invoice.due = date(2024, 5, 1)
        self.invoice.paid_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
        self.invoice.extra = {"parts": [1, 2]}
        self.invoice.save()
        take_entries()
        invoice = Invoice.objects.get()
        invoice.total = "0"
        invoice.count = "1"
        invoice.due = "2024-05-01"
        invoice.paid_at = "2024-05-01T14:00:00+02:00"
        invoice.extra = {"parts": (1, 2)}
        invoice.status = Invoice.Status.OPEN
        invoice.save()
        self.assertEqual(take_entries(), [])

    def test_values_of_each_sort(self):
        """Each is written as a person would."""
        customer = Customer.objects.create(name="Ann")
        invoice = Invoice.objects.get()
        invoice.status = "p"
        invoice.total = Decimal("7.5")
        invoice.due = "2024-05-01"
        invoice.paid_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
        invoice.customer = customer
        invoice.extra = {"parts": (1, 2), "password": "x"}
        invoice.digest = b"12"
        invoice.access_token = "abc"
        invoice.save()
        changes = entries()[0][2]
        self.assertTrue(changes.pop("paid_at")[1].startswith("2024-05-01 "))
        self.assertEqual(
            changes,
            {
                "status": ["open", "paid in full"],
                "total": ["0.00", "7.50"],
                "due": [None, "2024-05-01"],
                "customer": [None, f"Ann ({customer.pk})"],
                "extra": [{}, {"parts": [1, 2], "password": "********"}],
                "digest": [None, "<2 bytes>"],
                # Empty before, but to say so would tell something of the secret.
                "access_token": ["********", "********"],
            },
        )

    def test_files(self):
        """A file is its name."""
        with tempfile.TemporaryDirectory() as folder, override_settings(MEDIA_ROOT=folder):
            invoice = Invoice.objects.get()
            invoice.scan.save("a.txt", ContentFile(b"x"))
            self.assert_updated(scan=("", "scans/a.txt"))
            invoice = Invoice.objects.get()
            invoice.scan.open().close()
            invoice.save()
            self.assertEqual(take_entries(), [])
            invoice.scan = None
            invoice.save()
            self.assert_updated(scan=("scans/a.txt", ""))

    def test_value_that_is_changed_in_place(self):
        """A dict is compared with what it was when it was loaded or saved."""
        invoice = Invoice.objects.get()
        for number in (1, 2):
            invoice.extra["n"] = number
            invoice.save()
        changes = [entry[2] for entry in take_entries()]
        self.assertEqual(changes, [{"extra": [{}, {"n": 1}]}, {"extra": [{"n": 1}, {"n": 2}]}])

    def test_loop_over_one_instance(self):
        """Each save tells what it has changed."""
        for number in ("2", "3", "3", "1"):
            self.invoice.number = number
            self.invoice.save()
        told = [entry[2]["number"] for entry in take_entries()]
        self.assertEqual(told, [["1", "2"], ["2", "3"], ["3", "1"]])

    def test_update_fields(self):
        """Only what is saved has changed; the rest waits for its own save."""
        invoice = Invoice.objects.get()
        invoice.number, invoice.count = "2", 5
        invoice.save(update_fields=["count"])
        self.assert_updated(count=(1, 5))
        invoice.save()
        self.assert_updated(number=("1", "2"))

    def test_update_fields_with_a_foreign_key(self):
        """A key may be named as the field or as the attribute."""
        customer = Customer.objects.create(name="Ann")
        invoice = Invoice.objects.get()
        invoice.customer_id = customer.pk
        invoice.save(update_fields=["customer_id"])
        self.assert_updated(customer=(None, str(customer.pk)))

    def test_deferred_fields(self):
        """What was not loaded is neither saved nor looked up."""
        invoice = Invoice.objects.only("number").get()
        invoice.number = "2"
        with statements(self, 2):
            invoice.save()
        self.assert_updated(number=("1", "2"))

    def test_deferred_and_assigned(self):
        """The old value costs a query then."""
        invoice = Invoice.objects.defer("number").get()
        invoice.number = "2"
        with statements(self, 3):
            invoice.save()
        self.assert_updated(number=("1", "2"))

    def test_not_loaded(self):
        """The old values of an instance that was made by hand are looked up."""
        twin = Invoice(pk=self.invoice.pk, number="2", count=1)
        with statements(self, 3):
            twin.save()
        self.assert_updated(number=("1", "2"))

    def test_from_a_pickle(self):
        """So are those of one that comes from a cache."""
        invoice = pickle.loads(pickle.dumps(Invoice.objects.get()))
        invoice.number = "2"
        with statements(self, 3):
            invoice.save()
        self.assert_updated(number=("1", "2"))

    def test_bulk_created(self):
        """bulk_create() tells nobody; what comes after is right."""
        (invoice,) = Invoice.objects.bulk_create([Invoice(number="5")])
        self.assertEqual(take_entries(), [])
        invoice = Invoice.objects.get(number="5")
        invoice.count = 3
        invoice.save()
        self.assertEqual(take_entries()[0][2], {"count": [0, 3]})

    def test_refresh_from_db(self):
        """What somebody else has changed is no change of whoever read it."""
        invoice = Invoice.objects.get()
        Invoice.objects.update(number="5", count=6)
        invoice.refresh_from_db(fields=["number"])
        invoice.count = 6
        invoice.save()
        self.assert_updated(count=(1, 6))

    def test_expressions(self):
        """What the database computes is looked up, unless it returns it."""
        invoice = Invoice.objects.get()
        invoice.count = models.F("count") + 2
        invoice.number = "2"
        invoice.save()
        self.assert_updated(number=("1", "2"), count=(1, 3))
        invoice.refresh_from_db()
        invoice.count = models.F("count") + 2
        invoice.save(update_fields=["count"])
        self.assert_updated(count=(3, 5))

    def test_get_or_create_and_update_or_create(self):
        """They do what they say."""
        Invoice.objects.get_or_create(number="1")
        self.assertEqual(take_entries(), [])
        Invoice.objects.update_or_create(number="1", defaults={"count": 8})
        self.assert_updated(count=(1, 8))
        Invoice.objects.update_or_create(number="9")
        self.assertEqual([entry[0] for entry in take_entries()], ["created"])

    def test_copy_by_a_new_key(self):
        """An instance that is saved again without its key is a new object."""
        invoice = Invoice.objects.get()
        invoice.pk = None
        invoice._state.adding = True
        invoice.save()
        ((action, name, changes),) = take_entries()
        self.assertEqual((action, name), ("created", f"tracked.Invoice {invoice.pk}"))
        self.assertEqual(changes, self.created[0][2])

    def test_another_key(self):
        """An instance that is saved over another row tells what changed there."""
        other = Invoice.objects.create(number="7", count=1)
        take_entries()
        invoice = Invoice.objects.get(number="1")
        invoice.pk = other.pk
        invoice.save()
        self.assertEqual(
            take_entries(), [("updated", f"tracked.Invoice {other.pk}", {"number": ["7", "1"]})]
        )

    def test_method_that_somebody_else_replaced(self):
        """A method of ours that cannot be taken off tells nothing, and nothing twice."""

        def save_table(*args, **kwargs):
            return ours(*args, **kwargs)

        with tracked(Label):
            ours = Label._save_table
            Label._save_table = save_table
        try:
            Label.objects.create(name="x")
            with tracked(Label):
                Label.objects.create(name="y")
        finally:
            del Label._save_table
        self.assertEqual([changes for _, _, changes in take_entries()], [{"name": [None, "y"]}])

    def test_async(self):
        """asave() and adelete() are seen as well."""
        invoice = Invoice.objects.get()

        async def change():
            invoice.number = "2"
            await invoice.asave()
            await invoice.adelete()

        async_to_sync(change)()
        self.assertEqual([entry[0] for entry in take_entries()], ["updated", "deleted"])

    def test_weird_value(self):
        """A value that cannot be compared is another one, and is nobody's problem."""

        class Weird(str):
            __hash__ = str.__hash__

            def __eq__(self, other):
                raise ValueError("weird")

        invoice = Invoice.objects.get()
        invoice.number = Weird("1")
        invoice.save()
        self.assertEqual(take_entries(), [("updated", self.name, {"number": ["1", "1"]})])

    def test_fault_of_our_own(self):
        """It is logged and goes no further; the save stands."""
        with mock.patch("signalscope.activity.tracking.make_entry", side_effect=ZeroDivisionError):
            self.invoice.number = "2"
            with self.assertLogs("signalscope", "ERROR"):
                self.invoice.save()
        self.assertIsInstance(faults.caught.pop(), ZeroDivisionError)
        self.assertEqual(Invoice.objects.get().number, "2")
        self.assertEqual(take_entries(), [])


class OptionTests(TestCase):
    """Which fields are logged, and which are masked."""

    def changes(self, **options):
        """Return what is logged of an update of many fields."""
        with tracked(Invoice, **options):
            invoice = Invoice.objects.create(number="1")
            label = Label.objects.create(name="x")
            take_entries()
            invoice.number, invoice.count, invoice.status = "2", 5, "p"
            invoice.save()
            invoice.labels.add(label)
            found = {}
            for _, _, changes in take_entries():
                found.update(changes)
            return found

    def test_fields(self):
        """Only those are looked at; a save that changes others leaves no entry."""
        self.assertEqual(self.changes(fields=["count"]), {"count": [0, 5]})
        self.assertEqual(list(self.changes(fields=["labels"])), ["labels"])
        self.assertEqual(list(self.changes(fields=["updated_at"])), ["updated_at"])

    def test_exclude(self):
        """All others are looked at."""
        self.assertEqual(sorted(self.changes(exclude=["number", "labels"])), ["count", "status"])

    def test_mask(self):
        """That it changed is told, from what to what is not."""
        masked = ["********", "********"]
        found = self.changes(mask=["number", "labels"])
        self.assertEqual((found["number"], found["labels"]), (masked, [[], "********"]))
        self.assertEqual(found["count"], [0, 5])

    def test_mask_by_setting(self):
        """Globs over names mask fields of all models."""
        for glob in ("num*", "tracked.Invoice.number"):
            with self.settings(SIGNALSCOPE={"MASK": [glob]}):
                self.assertEqual(self.changes()["number"], ["********", "********"])
        with self.settings(SIGNALSCOPE={"MASK": ["shop.*"]}):
            self.assertEqual(self.changes()["number"], ["1", "2"])

    def test_masked_values_are_nowhere(self):
        """A masked value is in no column of any entry."""
        with tracked(Invoice, mask=["number"]):
            invoice = Invoice.objects.create(number="sesame", access_token="sesame")
            invoice.number = "sesame2"
            with mock.patch.object(Invoice, "__str__", lambda self: "an invoice"):
                invoice.save()
                invoice.delete()
        found = ActivityLog.objects.exclude(action="created").values()
        self.assertEqual(len(found), 2)
        self.assertNotIn("sesame", json.dumps(list(found), default=str))


class KeyTests(TestCase):
    """Primary keys of each sort."""

    def test_uuid(self):
        """A key that Python makes costs no look-up, nor does an update."""
        with tracked(Customer):
            with statements(self, 2):
                customer = Customer.objects.create(name="Ann")
            with statements(self, 2):
                Customer(id=uuid.uuid4(), name="Bob").save()
            customer.name = "Anna"
            with statements(self, 2):
                customer.save()
        self.assertEqual(
            [(action, changes) for action, _, changes in take_entries()],
            [
                ("created", {"name": [None, "Ann"]}),
                ("created", {"name": [None, "Bob"]}),
                ("updated", {"name": ["Ann", "Anna"]}),
            ],
        )

    def test_text(self):
        """create() only inserts; save() of a key given by hand may find a row."""
        with tracked(Coupon, exclude=["since"]):
            with statements(self, 2):
                Coupon.objects.create(code="a", percent=1)
            Coupon(code="a", percent=2).save()
            Coupon(code="b", percent=3).save()
        self.assertEqual(
            take_entries(),
            [
                ("created", "tracked.Coupon a", {"percent": [None, 1]}),
                ("updated", "tracked.Coupon a", {"percent": [1, 2]}),
                ("created", "tracked.Coupon b", {"percent": [None, 3]}),
            ],
        )

    def test_default_of_the_database(self):
        """A value that the database makes is logged as it is there."""
        with tracked(Coupon):
            Coupon.objects.create(code="a", percent=1)
        ((_, _, changes),) = take_entries()
        self.assertEqual(sorted(changes), ["percent", "since"])
        self.assertRegex(changes["since"][1], r"^20\d\d-\d\d-\d\d ")

    def test_composite(self):
        """A key of several parts is JSON."""
        with tracked(Seat):
            Seat.objects.create(row=1, number=2)
            seat = Seat.objects.get()
            seat.guest = "Ann"
            seat.save()
            seat.delete()
        self.assertEqual(
            take_entries(),
            [
                ("created", "tracked.Seat [1, 2]", {}),
                ("updated", "tracked.Seat [1, 2]", {"guest": ["", "Ann"]}),
                ("deleted", "tracked.Seat [1, 2]", {"guest": ["Ann", None]}),
            ],
        )


class InheritanceTests(TestCase):
    """Proxies and multi-table children."""

    def test_child_of_a_tracked_parent(self):
        """One entry tells of the whole object, as what it is."""
        with tracked(Place):
            Restaurant.objects.create(name="Ritz", stars=1)
            restaurant = Restaurant.objects.get()
            restaurant.name, restaurant.stars = "Savoy", 2
            restaurant.save()
            restaurant.delete()
        self.assertEqual(
            [(action, name.split()[0], changes) for action, name, changes in take_entries()],
            [
                ("created", "tracked.Restaurant", {"name": [None, "Ritz"], "stars": [None, 1]}),
                ("updated", "tracked.Restaurant", {"name": ["Ritz", "Savoy"], "stars": [1, 2]}),
                ("deleted", "tracked.Restaurant", {"name": ["Savoy", None], "stars": [2, None]}),
            ],
        )

    def test_deleted_by_the_parent(self):
        """It is one object still, also when several are deleted at once."""
        with tracked(Place):
            for name in ("a", "b"):
                Restaurant.objects.create(name=name, stars=1)
            Place.objects.create(name="c")
            take_entries()
            Place.objects.get(name="a").delete()
            Place.objects.all().delete()
        found = [(name.split()[0], changes["name"]) for _, name, changes in take_entries()]
        self.assertEqual(
            sorted(found),
            [
                ("tracked.Place", ["c", None]),
                ("tracked.Restaurant", ["a", None]),
                ("tracked.Restaurant", ["b", None]),
            ],
        )
        self.assertEqual(tracker._covered._rows, {})

    def test_keep_parents(self):
        """What is left of the object is deleted later, with an entry of its own."""
        with tracked(Place):
            restaurant = Restaurant.objects.create(name="a", stars=1)
            take_entries()
            restaurant.delete(keep_parents=True)
            Place.objects.get().delete()
        self.assertEqual(
            [name.split()[0] for _, name, _ in take_entries()],
            ["tracked.Restaurant", "tracked.Place"],
        )

    def test_untracked_parent(self):
        """Of a tracked child the parent's fields are its own; the parent itself is not tracked."""
        with tracked(Restaurant):
            Place.objects.create(name="a")
            Restaurant.objects.create(name="b")
        ((action, _, changes),) = take_entries()
        self.assertEqual((action, changes), ("created", {"name": [None, "b"], "stars": [None, 0]}))

    def test_child_with_options_of_its_own(self):
        """They count for the child."""
        with tracked(Place), tracked(Restaurant, fields=["stars"]):
            Restaurant.objects.create(name="b")
        ((_, _, changes),) = take_entries()
        self.assertEqual(changes, {"stars": [None, 0]})

    def test_child_that_is_left_out(self):
        """A child can be untracked while its parent is tracked."""
        import signalscope

        with tracked(Place), tracked(Restaurant):
            signalscope.untrack(Restaurant)
            Restaurant.objects.create(name="b").delete()
            Place.objects.create(name="c")
        self.assertEqual([name.split()[0] for _, name, _ in take_entries()], ["tracked.Place"])

    def test_proxy(self):
        """A proxy's objects are those of its concrete model."""
        with tracked(Place):
            pub = Pub.objects.create(name="Lion")
            pub.name = "Crown"
            pub.save()
            Pub.objects.all().delete()
        self.assertEqual(
            [(action, name.split()[0]) for action, name, _ in take_entries()],
            [
                ("created", "tracked.Place"),
                ("updated", "tracked.Place"),
                ("deleted", "tracked.Place"),
            ],
        )


class DeletionTests(TestCase):
    """Deleted."""

    def setUp(self):
        self.enterContext(tracked(Invoice))
        self.invoice = Invoice.objects.create(number="1")
        take_entries()

    def test_last_snapshot(self):
        """What was stored last, not what was assigned since."""
        invoice = Invoice.objects.get()
        invoice.number = "never saved"
        pk = invoice.pk
        invoice.delete()
        changes = {"number": ["1", None], "status": ["open", None]}
        changes |= {"total": ["0.00", None], "count": [0, None]}
        self.assertEqual(take_entries(), [("deleted", f"tracked.Invoice {pk}", changes)])

    def test_not_loaded(self):
        """What is not known is looked up before it is gone."""
        Invoice(pk=self.invoice.pk, number="never saved").delete()
        self.assertEqual(take_entries()[0][2]["number"], ["1", None])
        Invoice.objects.create(number="2")
        take_entries()
        Invoice.objects.only("id").get().delete()
        self.assertEqual(take_entries()[0][2]["number"], ["2", None])

    def test_nothing_there(self):
        """Of a row that is not there, or not any more, nothing is told."""
        pk = self.invoice.pk
        Invoice(pk=pk + 1).delete()
        self.invoice.delete()
        take_entries()
        self.invoice.pk = pk
        self.invoice.delete()
        self.assertEqual(take_entries(), [])

    def test_queryset_and_cascade(self):
        """Each object has an entry."""
        customer = Customer.objects.create(name="Ann")
        Invoice.objects.create(number="2", customer=customer)
        take_entries()
        customer.delete()
        Invoice.objects.all().delete()
        found = [changes["number"][0] for _, _, changes in take_entries()]
        self.assertEqual(found, ["2", "1"])

    def test_saved_again(self):
        """A deleted instance that is saved is a new object."""
        pk = self.invoice.pk
        self.invoice.delete()
        self.invoice.pk = pk
        self.invoice.save()
        self.assertEqual([entry[0] for entry in take_entries()], ["deleted", "created"])

    def test_fast_deletion(self):
        """Tracked models lose Django's fast deletion, all others keep it."""
        with self.assertNumQueries(1):
            Seat.objects.all().delete()
        with tracked(Seat):
            Seat.objects.create(row=1, number=1)
            with statements(self, 3):
                # Seats are loaded, deleted and logged.
                Seat.objects.all().delete()
        Seat.objects.create(row=1, number=1)
        with self.assertNumQueries(1):
            Seat.objects.all().delete()


class FixtureTests(TestCase):
    """What loaddata saves."""

    def load(self, fixture):
        """Load a fixture from a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fixture.json"
            path.write_text(fixture)
            call_command("loaddata", str(path), verbosity=0, stdout=io.StringIO())

    def setUp(self):
        self.label = Label.objects.create(name="x")
        self.invoice = Invoice.objects.create(number="1")
        self.invoice.labels.add(self.label)
        self.invoice.number = "2"
        self.fixture = serializers.serialize("json", [self.invoice])

    def test_skipped(self):
        """Fixtures are no change, nor are the relations in them."""
        with tracked(Invoice):
            self.load(self.fixture)
            Invoice.objects.all().delete()
            take_entries()
            self.load(self.fixture)
        self.assertEqual(take_entries(), [])
        self.assertEqual(Invoice.objects.get().labels.get(), self.label)

    def test_wanted(self):
        """With raw they are, and the old values are looked up."""
        with tracked(Invoice, fields=["number", "labels"], raw=True):
            self.load(self.fixture)
            Invoice.objects.all().delete()
            self.load(self.fixture)
        name = f"tracked.Invoice {self.invoice.pk}"
        self.assertEqual(
            take_entries(),
            [
                ("updated", name, {"number": ["1", "2"]}),
                ("deleted", name, {"number": ["2", None]}),
                ("created", name, {"number": [None, "2"]}),
                ("m2m_added", name, {"labels": [[], [self.label.pk]]}),
            ],
        )

    def test_multi_table(self):
        """The fixture of a child's row says nothing of its parent's."""
        restaurant = Restaurant.objects.create(name="Ritz", stars=1)
        restaurant.stars = 2
        with tracked(Place, raw=True):
            self.load(serializers.serialize("json", [restaurant]))
        ((action, _, changes),) = take_entries()
        self.assertEqual((action, changes), ("updated", {"stars": [1, 2]}))


class TransactionTests(TransactionTestCase):
    """Both or neither."""

    def setUp(self):
        self.enterContext(tracked(Coupon, exclude=["since"]))
        self.coupon = Coupon.objects.create(code="a", percent=1)
        take_entries()

    def refuse(self, sender, **kwargs):
        """Fail as a receiver."""
        raise ValueError("a receiver failed")

    def assert_stored(self, *percents):
        """Compare the row, and the values that the entries lead through."""
        self.assertEqual(Coupon.objects.get().percent, percents[-1])
        steps = [changes["percent"] for _, _, changes in take_entries()]
        self.assertEqual(steps, [list(pair) for pair in pairwise(percents)])

    def test_autocommit(self):
        """The save is a transaction of its own: four statements with its entry."""
        self.coupon.percent = 2
        with self.assertNumQueries(4):
            self.coupon.save()
        self.assert_stored(1, 2)

    def test_entry_that_cannot_be_written(self):
        """Then the change is not made, and the project is told why."""
        with mock.patch.object(tracker, "store", side_effect=IntegrityError("no room")):
            self.coupon.percent = 2
            with self.assertRaisesMessage(IntegrityError, "no room"):
                self.coupon.save()
        self.assert_stored(1)
        self.coupon.save()
        self.assert_stored(1, 2)

    def test_entry_that_the_database_refuses(self):
        """A transaction in which the error is caught can only be rolled back."""
        with self.assertRaises(transaction.TransactionManagementError), transaction.atomic():
            with mock.patch("signalscope.sinks.activity.entry_row", return_value=(None,) * 13):
                self.coupon.percent = 2
                self.coupon.save()
                with self.assertRaises(IntegrityError):
                    ActivityLog.objects.exists()
            Coupon.objects.count()
        self.assert_stored(1)

    def test_failing_receiver_in_autocommit(self):
        """The save is made all the same, as it is without tracking."""
        self.coupon.percent = 2
        with connected(post_save, self.refuse), self.assertRaises(ValueError):
            self.coupon.save()
        self.assert_stored(1, 2)

    def test_receiver_that_catches_a_database_error_in_autocommit(self):
        """The error has nothing to do with the save, which stays."""

        def insert_twice(**kwargs):
            with contextlib.suppress(IntegrityError):
                Label.objects.create(pk=1, name="y")

        Label.objects.create(pk=1, name="x")
        for percent, signal in ((2, pre_save), (3, post_save)):
            self.coupon.percent = percent
            with connected(signal, insert_twice, sender=Coupon):
                self.coupon.save()
        self.assert_stored(1, 2, 3)

    def test_receiver_with_a_durable_transaction_in_autocommit(self):
        """It is the outermost one, as it is without tracking."""

        @transaction.atomic(durable=True)
        def insert(**kwargs):
            Label.objects.create(name="x")

        for percent, signal in ((2, pre_save), (3, post_save)):
            self.coupon.percent = percent
            with connected(signal, insert, sender=Coupon):
                self.coupon.save()
        self.assert_stored(1, 2, 3)
        self.assertEqual(Label.objects.count(), 2)

    def test_failing_receiver_in_a_transaction(self):
        """A project that catches the error goes on, as it does without tracking."""
        self.coupon.percent = 2
        with transaction.atomic():
            with connected(post_save, self.refuse), self.assertRaises(ValueError):
                self.coupon.save()
            self.coupon.percent = 3
            self.coupon.save()
        self.assert_stored(1, 2, 3)

    def test_failing_receiver_before_the_save(self):
        """Nothing is saved, and nothing is told."""
        self.coupon.percent = 2
        with transaction.atomic():
            with connected(pre_save, self.refuse), self.assertRaises(ValueError):
                self.coupon.save()
            self.coupon.save()
        self.assert_stored(1, 2)

    def test_twice_in_one_transaction(self):
        """Each save tells what it changed; a rollback in between takes its entry along."""
        with transaction.atomic():
            self.coupon.percent = 2
            self.coupon.save()
            sid = connection.savepoint()
            self.coupon.percent = 3
            self.coupon.save()
            connection.savepoint_rollback(sid)
            self.coupon.percent = 4
            with statements(self, 2):
                self.coupon.save()
        self.assert_stored(1, 2, 4)

    def test_rolled_back_creation(self):
        """An instance whose creation was undone is created again."""
        new = Coupon(code="b", percent=1)
        with transaction.atomic():
            new.save()
            transaction.set_rollback(True)
        new.save()
        self.assertEqual(take_entries(), [("created", "tracked.Coupon b", {"percent": [None, 1]})])

    def test_without_autocommit(self):
        """What is committed by hand is committed with its entry."""
        transaction.set_autocommit(False)
        try:
            self.coupon.percent = 2
            self.coupon.save()
            transaction.rollback()
            self.coupon.percent = 3
            self.coupon.save()
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
        self.assert_stored(1, 3)


@override_settings(SIGNALSCOPE={"TRACK_WRITE": "after_commit"})
class AfterCommitTests(TransactionTestCase):
    """Entries that are handed to the writer."""

    def setUp(self):
        self.enterContext(tracked(Coupon, exclude=["since"]))
        self.noted = []
        self.enterContext(mock.patch.object(tracker, "note", self.noted.extend))

    def told(self):
        """Return what was noted."""
        return [(entry.action, entry.object_key) for entry in self.noted]

    def test_autocommit(self):
        """There is no transaction, and no statement of ours."""
        with self.assertNumQueries(1):
            Coupon.objects.create(code="a", percent=1)
        self.assertEqual(self.told(), [("created", "a")])

    def test_transaction(self):
        """They come at its end, those that are committed."""
        with transaction.atomic():
            with self.assertNumQueries(1):
                Coupon.objects.create(code="a", percent=1)
            with transaction.atomic():
                Coupon.objects.create(code="b", percent=1)
                transaction.set_rollback(True)
            self.assertEqual(self.told(), [])
        self.assertEqual(self.told(), [("created", "a")])

    def test_more_than_a_transaction_holds(self):
        """What there is no room for is written in the transaction; nothing is lost."""
        with mock.patch("signalscope.activity.spans.MAX_HELD", 1), transaction.atomic():
            Coupon.objects.create(code="a", percent=1)
            Coupon.objects.create(code="b", percent=1)
        self.assertEqual(self.told(), [("created", "a")])
        self.assertEqual([name for _, name, _ in take_entries()], ["tracked.Coupon b"])
