"""What is logged of many-to-many relations."""

from django.db import transaction
from django.db.models.signals import post_init
from django.test import TestCase, TransactionTestCase

from tests.activity.tracking import statements, take_entries, tracked
from tests.tracked.models import Invoice, Label, Person, Place, Restaurant
from tests.trees import connected


class RelationTests(TestCase):
    """Added, removed and cleared, from both sides."""

    def setUp(self):
        self.labels = [Label.objects.create(name=name) for name in "abc"]
        self.keys = [label.pk for label in self.labels]
        self.invoices = [Invoice.objects.create(number=number) for number in "12"]
        self.names = [f"tracked.Invoice {invoice.pk}" for invoice in self.invoices]
        self.enterContext(tracked(Invoice))

    def test_add(self):
        """Only what was not there before is added."""
        self.invoices[0].labels.add(self.labels[1])
        self.invoices[0].labels.add(*self.labels)
        self.invoices[0].labels.add(*self.labels)
        a, b, c = self.keys
        self.assertEqual(
            take_entries(),
            [
                ("m2m_added", self.names[0], {"labels": [[], [b]]}),
                ("m2m_added", self.names[0], {"labels": [[], [a, c]]}),
            ],
        )

    def test_remove(self):
        """Only what was there is removed, though Django tells of all that was given."""
        self.invoices[0].labels.add(self.labels[0])
        take_entries()
        self.invoices[0].labels.remove(*self.labels)
        self.invoices[0].labels.remove(self.labels[1])
        changes = {"labels": [[self.keys[0]], []]}
        self.assertEqual(take_entries(), [("m2m_removed", self.names[0], changes)])

    def test_clear(self):
        """What was there is named; nothing is said where nothing was."""
        self.invoices[0].labels.set(self.labels[:2])
        take_entries()
        self.invoices[0].labels.clear()
        self.invoices[0].labels.clear()
        changes = {"labels": [self.keys[:2], []]}
        self.assertEqual(take_entries(), [("m2m_cleared", self.names[0], changes)])

    def test_set(self):
        """It is an addition and a removal."""
        self.invoices[0].labels.set(self.labels[:2])
        take_entries()
        self.invoices[0].labels.set(self.labels[1:])
        a, _, c = self.keys
        self.assertEqual(
            take_entries(),
            [
                ("m2m_removed", self.names[0], {"labels": [[a], []]}),
                ("m2m_added", self.names[0], {"labels": [[], [c]]}),
            ],
        )

    def test_no_objects_are_made(self):
        """Of those at the other side the keys are known, and nobody's __init__() runs."""
        made = []
        with connected(post_init, lambda **named: made.append(named["instance"]), sender=Invoice):
            self.labels[0].invoices.add(*self.invoices)
        self.assertEqual(made, [])

    def test_prefetched(self):
        """What was read ahead does not count, the table does."""
        invoice = Invoice.objects.prefetch_related("labels").get(pk=self.invoices[0].pk)
        self.invoices[0].labels.add(self.labels[0])
        take_entries()
        invoice.labels.clear()
        self.assertEqual(take_entries()[0][2], {"labels": [[self.keys[0]], []]})

    def test_other_side(self):
        """Each tracked object has an entry, all of them in one statement."""
        label, key = self.labels[0], self.keys[0]
        with statements(self, 3):
            # What is there, the additions, the entries.
            label.invoices.add(*self.invoices)
        label.invoices.remove(self.invoices[0])
        label.invoices.clear()
        self.assertEqual(
            take_entries(),
            [
                ("m2m_added", self.names[0], {"labels": [[], [key]]}),
                ("m2m_added", self.names[1], {"labels": [[], [key]]}),
                ("m2m_removed", self.names[0], {"labels": [[key], []]}),
                ("m2m_cleared", self.names[1], {"labels": [[key], []]}),
            ],
        )

    def test_symmetrical(self):
        """Both have an entry."""
        with tracked(Person):
            ann, bob = (Person.objects.create(name=name) for name in ("Ann", "Bob"))
            take_entries()
            ann.friends.add(bob)
            bob.friends.clear()
        names = [f"tracked.Person {person.pk}" for person in (ann, bob)]
        self.assertEqual(
            take_entries(),
            [
                ("m2m_added", names[0], {"friends": [[], [bob.pk]]}),
                ("m2m_added", names[1], {"friends": [[], [ann.pk]]}),
                ("m2m_cleared", names[1], {"friends": [[ann.pk], []]}),
                ("m2m_cleared", names[0], {"friends": [[bob.pk], []]}),
            ],
        )

    def test_inherited(self):
        """A relation of the parent is the child's as well."""
        with tracked(Place):
            restaurant = Restaurant.objects.create(name="Ritz")
            take_entries()
            restaurant.labels.add(self.labels[0])
        self.assertEqual(
            take_entries(),
            [
                (
                    "m2m_added",
                    f"tracked.Restaurant {restaurant.pk}",
                    {"labels": [[], [self.keys[0]]]},
                )
            ],
        )

    def test_left_out(self):
        """A relation that is not tracked keeps Django's fast addition."""
        with tracked(Invoice, exclude=["labels"]), self.assertNumQueries(1):
            self.invoices[0].labels.add(self.labels[0])
        with tracked(Invoice), statements(self, 3):
            self.invoices[0].labels.add(self.labels[1])


class RelationTransactionTests(TransactionTestCase):
    """Both or neither."""

    def test_rolled_back(self):
        """What is undone leaves no entry, in autocommit mode and in a transaction."""
        label = Label.objects.create(name="a")
        with tracked(Invoice, fields=["labels"]):
            invoice = Invoice.objects.create(number="1")
            take_entries()
            with transaction.atomic():
                invoice.labels.add(label)
                transaction.set_rollback(True)
            self.assertEqual(take_entries(), [])
            invoice.labels.add(label)
        self.assertEqual([entry[0] for entry in take_entries()], ["m2m_added"])
