"""What only_when_field_changed() lets through, and what it tells receivers."""

import pickle
from decimal import Decimal
from unittest import mock

from asgiref.sync import async_to_sync
from django.db import models, transaction
from django.db.models.signals import post_save, pre_save

import signalscope
from signalscope.control import changed as changes
from tests.activity.tracking import take_entries, tracked
from tests.control.changing import ChangedTestCase, fixture
from tests.trees import connected, recorded
from tests.warehouse.models import Bargain, Perishable, Product, Rate, Supplier


class SaveTests(ChangedTestCase):
    """Saves of each sort, and how many queries they take."""

    def setUp(self):
        super().setUp()
        self.ann = Supplier.objects.create(name="Ann")
        self.bob = Supplier.objects.create(name="Bob")
        self.pk = Product.objects.create(title="Tea", price=5, stock=3, supplier=self.ann).pk
        self.hear()

    def get(self):
        """Load the product."""
        return Product.objects.get(pk=self.pk)

    def test_changed(self):
        """Each signal tells of old and new value, at no query more."""
        product = self.get()
        product.price = Decimal("7.50")
        product.title = "Green tea"
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(price=(Decimal("5.00"), Decimal("7.50")))

    def test_not_changed(self):
        """What is as it was, or another field, keeps receivers out."""
        product = self.get()
        product.title = "Green tea"
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard()

    def test_same_in_another_form(self):
        """A value is compared as the field loads it."""
        product = self.get()
        product.price, product.stock = "5", "3"
        product.save()
        self.assert_heard()
        product.price, product.stock = "6", "4"
        product.save()
        self.assert_heard(price=(Decimal("5.00"), Decimal("6.00")), stock=(3, 4))

    def test_saved_again(self):
        """The second save is compared with the first, at no query."""
        product = self.get()
        product.stock = 4
        product.save()
        self.assert_heard(stock=(3, 4))
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard()
        product.stock = 3
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(stock=(4, 3))

    def test_created(self):
        """A new object's values are changes from nothing; an empty one stays nothing."""
        with self.assertNumQueries(1):
            product = Product.objects.create(title="Milk", stock=1)
        self.assert_heard(stock=(None, 1))
        product.price = 2
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(price=(None, Decimal("2.00")))

    def test_created_with_a_key(self):
        """A key of one's own makes no difference."""
        self.hear("price", sender=Rate)
        with self.assertNumQueries(1):
            Rate.objects.create(code="a", price=1)
        self.assert_heard(price=(None, Decimal("1.00")))

    def test_update_fields(self):
        """Only what is saved counts."""
        product = self.get()
        product.price, product.stock = 6, 4
        with self.assertNumQueries(1):
            product.save(update_fields=["stock", "title"])
        self.assert_heard(stock=(3, 4))
        product.save(update_fields=["title"])
        self.assert_heard()
        product.save()
        self.assert_heard(price=(Decimal("5.00"), Decimal("6.00")))

    def test_update_fields_of_a_foreign_key(self):
        """It may be named both ways there."""
        for name, old, new in (
            ("supplier", self.ann, self.bob),
            ("supplier_id", self.bob, self.ann),
        ):
            product = self.get()
            product.supplier = new
            product.save(update_fields=[name])
            self.assert_heard(supplier=(old.pk, new.pk))

    def test_foreign_key(self):
        """By object or by key, the values are keys, under the name that was asked for."""
        self.hear("supplier_id", signals=[post_save])
        product = self.get()
        product.supplier = self.bob
        with self.assertNumQueries(1):
            product.save()
        both = (self.ann.pk, self.bob.pk)
        self.assertEqual(
            self.take(),
            [
                ("pre", {"supplier": both}),
                ("post", {"supplier": both}),
                ("post", {"supplier_id": both}),
            ],
        )
        product.supplier_id = self.ann.pk
        product.save()
        self.assertEqual(len(self.take()), 3)
        product.supplier = None
        product.save()
        self.assertEqual(self.take()[0], ("pre", {"supplier": (self.ann.pk, None)}))

    def test_deferred(self):
        """What was not loaded is not saved; what is set is looked up."""
        product = Product.objects.defer("stock").get()
        product.title = "Green tea"
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard()
        product = Product.objects.only("title").get()
        product.stock = 4
        with self.assertNumQueries(2):
            product.save()
        self.assert_heard(stock=(3, 4))
        product = Product.objects.defer("stock").get()
        product.stock += 1
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(stock=(4, 5))

    def test_refreshed(self):
        """A refresh brings what the database holds now."""
        product = self.get()
        Product.objects.update(stock=8, price=9)
        product.stock, product.price = 7, 10
        product.refresh_from_db(fields=["stock"])
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(price=(Decimal("5.00"), Decimal("10.00")))
        product.stock = 9
        product.refresh_from_db()
        product.save()
        self.assert_heard()

    def test_built_by_hand(self):
        """Nobody knows what the row holds: it is looked up, once."""
        product = Product(pk=self.pk, title="Tea", price=5, stock=4, supplier=self.ann)
        with self.assertNumQueries(2):
            product.save(force_update=True)
        self.assert_heard(stock=(3, 4))
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard()

    def test_pickled(self):
        """What comes out of a pickle is looked up, and a receiver may pickle what is saved."""
        pickles = []

        def store(sender, instance, **kwargs):
            pickles.append(pickle.dumps(instance))

        product = self.get()
        product.stock = 4
        with connected(post_save, store, sender=Product):
            product.save()
        self.assert_heard(stock=(3, 4))
        self.assertNotIn(b"signalscope.", pickles[0])
        product = pickle.loads(pickles[0])
        product.stock = 5
        with self.assertNumQueries(2):
            product.save()
        self.assert_heard(stock=(4, 5))

    def test_expression(self):
        """Before the save it is what it is; after it, what the database made of it."""
        product = self.get()
        product.stock = models.F("stock") + 2
        expression = product.stock
        product.save()
        self.assertEqual(
            self.take(), [("pre", {"stock": (3, expression)}), ("post", {"stock": (3, 5)})]
        )
        product.refresh_from_db()
        product.save()
        self.assert_heard()
        product.stock = models.F("stock") + 0
        product.save()
        self.assertEqual([name for name, _ in self.take()], ["pre"])

    def test_changed_by_a_receiver(self):
        """What a receiver of pre_save sets counts after the save, and for those behind it."""

        def round_up(sender, instance, **kwargs):
            instance.stock = 10

        with connected(pre_save, round_up, sender=Product):
            self.hear("stock", signals=[pre_save])
            self.get().save()
        self.assertEqual(self.take(), [("pre", {"stock": (3, 10)}), ("post", {"stock": (3, 10)})])

    def test_set_after_the_save(self):
        """What a receiver of post_save sets, and does not save, is no change of this save."""

        def set_stock(sender, instance, **kwargs):
            instance.stock = 10

        post_save.connect(set_stock, sender=Product)
        self.addCleanup(post_save.disconnect, set_stock, sender=Product)
        self.hear("stock", signals=[post_save])
        product = self.get()
        product.stock = 4
        product.save()
        self.assertEqual(
            self.take(),
            [("pre", {"stock": (3, 4)}), ("post", {"stock": (3, 4)}), ("post", {"stock": (3, 4)})],
        )

    def test_read_again_after_the_save(self):
        """A receiver of post_save that reads the row again changes nothing for others."""

        def read(sender, instance, **kwargs):
            instance.refresh_from_db()

        post_save.connect(read, sender=Product)
        self.addCleanup(post_save.disconnect, read, sender=Product)
        self.hear("stock", signals=[post_save])
        product = self.get()
        product.stock = 4
        product.save()
        self.assertEqual([changed for _, changed in self.take()], [{"stock": (3, 4)}] * 3)

    def test_saved_by_a_receiver(self):
        """Each of two nested saves of an instance has its own changes, for all its receivers."""

        def save_again(sender, instance, created, **kwargs):
            if instance.stock < 10:
                instance.stock += 10
                instance.save()

        post_save.connect(save_again, sender=Product)
        self.addCleanup(post_save.disconnect, save_again, sender=Product)
        self.hear("stock", signals=[post_save])
        product = self.get()
        product.stock = 4
        with self.assertNumQueries(2):
            product.save()
        outer, inner = {"stock": (3, 4)}, {"stock": (4, 14)}
        self.assertEqual(
            self.take(),
            [("pre", outer), ("post", outer), ("pre", inner), ("post", inner), ("post", inner),
             ("post", outer)],
        )  # fmt: skip

    def test_saved_before_the_save(self):
        """What a receiver of pre_save has saved already is no change any more."""
        product = self.get()
        nested = []

        def save_first(sender, instance, **kwargs):
            if not nested:
                nested.append(True)
                instance.save()

        with connected(pre_save, save_first, sender=Product):
            self.hear("stock", signals=[pre_save])
            product.stock = 4
            product.save()
        self.assertEqual([name for name, _ in self.take()], ["pre", "pre", "pre", "post"])

    def test_failed_save(self):
        """A save that fails tells nobody, and what it would have changed is still to be saved."""
        product = self.get()
        product.stock = 4
        with mock.patch.object(Product, "_do_update", side_effect=LookupError("lost")):
            with self.assertRaises(LookupError), transaction.atomic():
                product.save()
        self.assertEqual([name for name, _ in self.take()], ["pre"])
        product.save()
        self.assert_heard(stock=(3, 4))

    def test_proxy_and_child(self):
        """They have the fields, and what was loaded as one is saved as it."""
        bargain = Bargain.objects.get()
        self.hear("stock", sender=Bargain)
        bargain.stock = 4
        with self.assertNumQueries(1):
            bargain.save()
        self.assert_heard(stock=(3, 4))
        self.hear("stock", "shelf_days", sender=Perishable)
        Perishable.objects.create(title="Milk", stock=1)
        self.assert_heard(stock=(None, 1), shelf_days=(None, 0))
        milk = Perishable.objects.get()
        milk.stock = milk.shelf_days = 2
        with self.assertNumQueries(2):
            milk.save()
        self.assert_heard(stock=(1, 2), shelf_days=(0, 2))
        Perishable(pk=milk.pk, title="Milk", stock=3, shelf_days=2).save()
        self.assert_heard(stock=(2, 3))

    def test_fixture(self):
        """A raw save is compared with the row, which nobody has loaded."""
        loaded = fixture(self.pk, title="Tea", price=5, stock=4, supplier=self.ann.pk)
        with self.assertNumQueries(2):
            loaded.save()
        self.assert_heard(stock=(3, 4))
        with self.assertNumQueries(1):
            loaded.save()
        self.assert_heard()

    def test_new_rows_of_a_fixture(self):
        """They are new, as other ones."""
        fixture(self.pk + 1, title="Milk", stock=1).save()
        self.assert_heard(stock=(None, 1))

    def test_sent_by_hand(self):
        """Who sends post_save for a new object tells of all; of another, nobody knows."""
        product = self.get()
        named = {"instance": product, "raw": False, "using": "default", "update_fields": None}
        post_save.send(sender=Product, created=True, **named)
        (told,) = self.take()
        self.assertEqual(
            told,
            ("post", {"price": (None, 5), "stock": (None, 3), "supplier": (None, self.ann.pk)}),
        )
        with recorded() as seen:
            post_save.send(sender=Product, created=False, **named)
        (call,) = seen.dispatches()[0].calls
        self.assertEqual(
            (call.outcome, call.error_message),
            ("skipped", "only_when_field_changed: what this save has changed is not known"),
        )
        self.assert_heard()

    def test_recorded(self):
        """A call that is kept out is recorded as skipped."""
        with recorded() as seen:
            self.get().save()
        outcomes = [
            (call.outcome, call.error_message)
            for dispatch in seen.dispatches()
            for call in dispatch.calls
        ]
        self.assertEqual(outcomes, [("skipped", "only_when_field_changed")] * 2)

    def test_not_recording(self):
        """It holds while nothing is recorded, and while models are tracked, too."""
        product = self.get()
        for stock in (4, 5):
            product.stock = stock
            product.save()
            self.assert_heard(stock=(stock - 1, stock))
            signalscope.uninstall()
            self.addCleanup(signalscope.install)

    def test_tracked_as_well(self):
        """The activity log and the condition see the same, and share what is known."""
        product = self.get()
        with tracked(Product):
            product.stock = 4
            product.save()
            self.assertEqual([entry[2] for entry in take_entries()], [{"stock": [3, 4]}])
            self.assert_heard(stock=(3, 4))
        product.stock = 5
        with self.assertNumQueries(1):
            product.save()
        self.assert_heard(stock=(4, 5))

    def test_asave(self):
        """An async save is a save."""

        async def save():
            product = await Product.objects.aget(pk=self.pk)
            product.stock = 4
            await product.asave()

        async_to_sync(save)()
        self.assert_heard(stock=(3, 4))

    def test_nothing_is_left(self):
        """When a save is over, what it has changed is forgotten."""
        product = self.get()
        product.stock = 4
        product.save()
        self.assertNotIn(product._state, changes._changes)
