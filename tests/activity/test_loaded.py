"""What is remembered of an instance, and that nothing else of it changes."""

import copy
import pickle
import pickletools
import sys
import warnings
from contextlib import contextmanager
from unittest import mock

from django.db import connection, models, transaction
from django.db.models.query_utils import DeferredAttribute
from django.forms import model_to_dict
from django.test import TestCase, TransactionTestCase
from django.test.utils import isolate_apps

from signalscope.activity.loaded import Memory, known_values
from tests.activity.tracking import take_entries, tracked
from tests.tracked.models import Coupon, Invoice, Label, Pub, Restaurant


@contextmanager
def remembered(model):
    """Remember what instances of a model are loaded with, in a block."""
    memory = Memory(model)
    try:
        yield
    finally:
        memory.end()


def known(instance, *names):
    """Return what is known of some fields."""
    values = known_values(instance, "default")
    return [values.get(name, "?") for name in names]


class LoadedTests(TestCase):
    """What ways of loading leave in memory."""

    def setUp(self):
        self.enterContext(remembered(Invoice))
        self.pk = Invoice.objects.create(number="1", extra={"parts": [1]}).pk

    def test_loaded(self):
        """The values that an instance was loaded with outlive its attributes."""
        invoice = Invoice.objects.get()
        invoice.number = "2"
        invoice.extra["parts"].append(2)
        self.assertEqual(known(invoice, "number", "extra"), ["1", {"parts": [1]}])

    def test_not_loaded(self):
        """Of other instances nothing is known."""
        self.assertEqual(known(Invoice(pk=self.pk, number="2"), "number"), ["?"])

    def test_deferred(self):
        """What was not loaded is not known; what is loaded later is."""
        for queryset in (Invoice.objects.only("total"), Invoice.objects.defer("number")):
            invoice = queryset.get()
            self.assertEqual(known(invoice, "number", "total"), ["?", 0])
            self.assertEqual(invoice.number, "1")
            invoice.number = "2"
            self.assertEqual(known(invoice, "number"), ["1"])

    def test_deferred_field_does_not_forget_others(self):
        """To load one field changes nothing that is known of another."""
        invoice = Invoice.objects.defer("count").get()
        invoice.number = "2"
        self.assertEqual(invoice.count, 0)
        self.assertEqual(known(invoice, "number", "count"), ["1", 0])

    def test_refreshed(self):
        """A refresh brings what the database holds now, for the fields that it reads."""
        invoice = Invoice.objects.get()
        Invoice.objects.update(number="5", count=6)
        invoice.refresh_from_db(fields=["number"])
        self.assertEqual(known(invoice, "number", "count"), ["5", 0])
        invoice.refresh_from_db()
        self.assertEqual(known(invoice, "number", "count"), ["5", 6])

    def test_refreshed_by_a_queryset(self):
        """What a queryset leaves out of a refresh is known as before, or not at all."""
        invoice = Invoice.objects.get()
        invoice.count = 7
        Invoice.objects.update(number="5", count=6)
        invoice.refresh_from_db(from_queryset=Invoice.objects.only("number"))
        self.assertEqual(known(invoice, "number", "count"), ["5", "?"])

    def test_refreshed_without_having_been_loaded(self):
        """Then what was read is known."""
        invoice = Invoice(pk=self.pk)
        invoice.refresh_from_db()
        invoice.number = "2"
        self.assertEqual(known(invoice, "number"), ["1"])

    def test_raw_query_and_related_objects(self):
        """Every way of loading counts."""
        table = Invoice._meta.db_table
        (invoice,) = Invoice.objects.raw(f"SELECT number, id FROM {table}")
        self.assertEqual(known(invoice, "number", "count"), ["1", "?"])
        label = Label.objects.create(name="x")
        label.invoices.add(self.pk)
        invoice = Label.objects.prefetch_related("invoices").get().invoices.all()[0]
        self.assertEqual(known(invoice, "number"), ["1"])

    def test_another_key_or_database(self):
        """What is known of one row says nothing of another."""
        invoice = Invoice.objects.get()
        self.assertEqual(known_values(invoice, "other"), {})
        invoice.pk = self.pk + 1
        self.assertEqual(known(invoice, "number"), ["?"])
        invoice.pk = self.pk
        self.assertEqual(known(invoice, "number"), ["1"])

    def test_peers(self):
        """Since Django 6.1 one instance may load a field for others; it is not known then."""
        if not hasattr(models, "FETCH_PEERS"):
            self.assertFalse(hasattr(DeferredAttribute, "fetch_many"))
            return
        Invoice.objects.create(number="2")
        invoices = list(
            Invoice.objects.defer("number").fetch_mode(models.FETCH_PEERS).order_by("id")
        )
        self.assertEqual(invoices[0].number, "1")
        self.assertEqual(invoices[1].__dict__["number"], "2")
        self.assertEqual(known(invoices[1], "number"), ["?"])


class TransparencyTests(TestCase):
    """What a remembered model is to the project."""

    @isolate_apps("tests.tracked")
    def test_class_is_left_as_it_was(self):
        """While nobody asks, and afterwards, the class has not even an attribute of ours."""

        # With a field that no condition of another test asks for.
        class Voucher(models.Model):
            nominal_value = models.IntegerField()

            class Meta:
                app_label = "tracked"

        before = dict(vars(Voucher))
        with remembered(Voucher):
            self.assertEqual(vars(Voucher).keys() - before.keys(), {"from_db", "refresh_from_db"})
        self.assertEqual(dict(vars(Voucher)), before)

    def test_attributes_equality_and_forms(self):
        """An instance has no other attribute, and is the same to forms and comparisons."""
        pk = Invoice.objects.create(number="1").pk
        plain = Invoice.objects.get()
        with remembered(Invoice):
            invoice = Invoice.objects.get()
        self.assertEqual(vars(invoice).keys(), vars(plain).keys())
        self.assertEqual(invoice, Invoice(pk=pk))
        self.assertEqual(model_to_dict(invoice), model_to_dict(plain))

    def test_pickle(self):
        """A pickle names nothing of signalscope's, so that any process can read it."""
        Invoice.objects.create(number="1")
        with remembered(Invoice), transaction.atomic():
            data = pickle.dumps(Invoice.objects.get())
            names = [str(value) for _, value, _ in pickletools.genops(data)]
            self.assertFalse([name for name in names if name.startswith("signalscope.")])
            loaded = pickle.loads(data)
            self.assertEqual(loaded.number, "1")
            self.assertEqual(known(loaded, "number"), ["?"])

    def test_pickle_in_a_changed_transaction(self):
        """Not even one that was changed in an open transaction brings a connection along."""
        with tracked(Invoice):
            invoice = Invoice.objects.create(number="1")
            invoice.number = "2"
            invoice.save()
            self.assertEqual(pickle.loads(pickle.dumps(invoice)).number, "2")

    def test_copies(self):
        """A copy knows what its original knows, and each goes its own way."""
        Invoice.objects.create(number="1")
        with remembered(Invoice):
            invoice = Invoice.objects.get()
            for twin in (copy.copy(invoice), copy.deepcopy(invoice)):
                twin.number = "2"
                self.assertEqual(known(twin, "number"), ["1"])
                twin.refresh_from_db(fields=["count"])
                self.assertEqual(known(invoice, "number"), ["1"])

    def test_overridden_methods(self):
        """A project's own from_db() and refresh_from_db() are called, with what Django gives."""
        calls = []

        def from_db(cls, db, field_names, values, **kwargs):
            calls.append(("from_db", sorted(kwargs)))
            return super(Coupon, cls).from_db(db, field_names, values, **kwargs)

        def refresh_from_db(self, using=None, fields=None, **kwargs):
            calls.append(("refresh_from_db", fields))
            super(Coupon, self).refresh_from_db(using, fields, **kwargs)

        Coupon.objects.create(code="a", percent=1)
        own = {"from_db": classmethod(from_db), "refresh_from_db": refresh_from_db}
        with mock.patch.multiple(Coupon, create=True, **own):
            Coupon.objects.defer("percent").get().percent  # noqa: B018
            plain, calls[:] = list(calls), []
            with remembered(Coupon):
                coupon = Coupon.objects.defer("percent").get()
                self.assertEqual((coupon.percent, known(coupon, "percent")), (1, [1]))
            self.assertEqual(calls, plain)
            self.assertIs(vars(Coupon)["refresh_from_db"], refresh_from_db)

    def test_narrow_override(self):
        """One that takes no fetch_mode gets none, as in Django without signalscope."""

        def from_db(cls, db, field_names, values):
            return super(Coupon, cls).from_db(db, field_names, values)

        Coupon.objects.create(code="a", percent=1)
        with mock.patch.object(Coupon, "from_db", classmethod(from_db), create=True):
            # Django 6.1 says that such a method is deprecated.
            with warnings.catch_warnings(record=True, action="always") as plain:
                Coupon.objects.get()
            with (
                remembered(Coupon),
                warnings.catch_warnings(record=True, action="always") as seen,
            ):
                self.assertEqual(Coupon.objects.get().percent, 1)
            self.assertEqual([str(w.message) for w in seen], [str(w.message) for w in plain])

    def test_replaced_by_somebody_else(self):
        """A method that was put there since stays."""
        memory = Memory(Label)
        ours = vars(Label)["from_db"]
        theirs = classmethod(lambda cls, *args, **kwargs: ours.__get__(None, cls)(*args, **kwargs))
        Label.from_db = theirs
        try:
            memory.end()
            self.assertIs(vars(Label)["from_db"], theirs)
            Label.objects.create(name="x")
            self.assertEqual(Label.objects.get().name, "x")
        finally:
            del Label.from_db
        self.assertNotIn("refresh_from_db", vars(Label))

    def test_children_and_proxies(self):
        """They inherit what their parent remembers."""
        Restaurant.objects.create(name="Ritz", stars=1)
        with remembered(Restaurant.__base__):
            restaurant = Restaurant.objects.get()
            self.assertEqual(known(restaurant, "name", "stars"), ["Ritz", 1])
            self.assertEqual(known(Pub.objects.get(), "name"), ["Ritz"])
            self.assertNotIn("from_db", vars(Restaurant))


class RollbackTests(TransactionTestCase):
    """What is true of an instance after a rollback, at no query."""

    def setUp(self):
        self.enterContext(tracked(Coupon))
        Coupon.objects.create(code="a", percent=1)
        self.coupon = Coupon.objects.get()
        take_entries()

    def save(self, percent):
        """Save the instance with a value."""
        self.coupon.percent = percent
        self.coupon.save()

    def percent(self):
        """Return what is known to be in the database."""
        return known(self.coupon, "percent")[0]

    def roll_back(self, *steps):
        """Run steps in a block that is rolled back."""
        with transaction.atomic():
            for step in steps:
                step()
            transaction.set_rollback(True)

    def test_rolled_back(self):
        """What was loaded counts again."""
        self.roll_back(lambda: self.save(2), lambda: self.save(3))
        self.assertEqual(self.percent(), 1)

    def test_nested(self):
        """Each level has its own."""
        with transaction.atomic():
            self.save(2)
            self.roll_back(lambda: self.save(3), lambda: self.roll_back(lambda: self.save(4)))
            self.assertEqual(self.percent(), 2)
            with transaction.atomic():
                self.save(5)
            self.roll_back(lambda: self.save(6))
            self.assertEqual(self.percent(), 5)
        self.assertEqual(self.percent(), 5)

    def test_copy_that_outlives_the_transaction(self):
        """A copy made in between is as right as the instance."""
        copies = []
        self.roll_back(lambda: self.save(2), lambda: copies.append(copy.copy(self.coupon)))
        self.assertEqual(known(copies[0], "percent"), [1])

    def test_loaded_after_a_change(self):
        """What was read of a change that is undone is not known any more."""
        found = []
        self.roll_back(lambda: self.save(2), lambda: found.append(Coupon.objects.get()))
        self.assertEqual(known(found[0], "percent"), ["?"])

    def test_memory_is_bounded(self):
        """However often an instance is saved, what is kept of it follows the open blocks."""
        with transaction.atomic():
            for number in range(50):
                with transaction.atomic():
                    self.save(number)
                    with transaction.atomic():
                        self.save(number + 100)
            self.assertLess(self.depth(), 5)
        self.save(7)
        self.save(8)
        self.assertLess(self.depth(), 3)

    def test_many_open_savepoints(self):
        """They may be more than Python has frames."""
        count = sys.getrecursionlimit() + 100
        with transaction.atomic():
            for number in range(2, count):
                connection.savepoint()
                self.save(number)
        self.assertEqual(len(take_entries()), count - 2)
        self.assertEqual(self.percent(), count - 1)

    def depth(self):
        """Return how many snapshots hang at the instance."""
        depth, snapshot = 0, self.coupon._state.signalscope_loaded
        while snapshot is not None:
            depth, snapshot = depth + 1, snapshot.previous
        return depth
