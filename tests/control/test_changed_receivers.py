"""Who is told of changes, and which models are looked at for that."""

import asyncio
import gc
import threading
from io import StringIO
from unittest import mock

from django.core.exceptions import FieldDoesNotExist
from django.core.management import call_command
from django.db import connection, connections, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.signals import class_prepared, post_save, pre_save
from django.test import TransactionTestCase
from django.test.utils import isolate_apps

from signalscope import only_when_created, only_when_field_changed
from signalscope.control import changed as changes
from tests.control.changing import ChangedTestCase, fixture
from tests.trees import connected
from tests.warehouse.models import Bargain, Perishable, Priced, Product, Rate, Supplier


class ReceiverTests(ChangedTestCase):
    """What a receiver is given, and how receivers may be connected."""

    def setUp(self):
        super().setUp()
        self.product = Product.objects.create(title="Tea", price=5, stock=3)
        self.product = Product.objects.get()

    def save(self, **values):
        """Save the product with other values."""
        for name, value in values.items():
            setattr(self.product, name, value)
        self.product.save()

    def test_changed_is_for_those_who_ask(self):
        """A receiver that takes just any argument does not get it."""
        given = []

        @only_when_field_changed("stock")
        def plain(sender, **kwargs):
            given.append("changed" in kwargs)

        @only_when_field_changed("stock")
        def asking(sender, *, changed=None, **kwargs):
            given.append(changed)

        with connected(post_save, plain, asking, sender=Product):
            self.save(stock=4)
        self.assertEqual(given, [False, {"stock": (3, 4)}])

    def test_method(self):
        """A method may ask, too, decorated in its class or bound."""
        heard = self.heard

        class Desk:
            @only_when_field_changed("stock")
            def hear(self, sender, changed, **kwargs):
                heard.append(changed)

            def hear_late(self, sender, changed, **kwargs):
                heard.append(changed)

        desk = Desk()
        late = only_when_field_changed("stock")(desk.hear_late)
        with connected(post_save, desk.hear, late, sender=Product):
            self.save(stock=4)
            # Only a receiver that is known to ask lets anything be looked up.
            Product(pk=self.product.pk, title="Tea", stock=5).save()
        self.assertEqual(self.take(), [{"stock": (3, 4)}] * 2 + [{"stock": (4, 5)}] * 2)

    def test_async_receiver(self):
        """It is told the same, also where a query is needed before the save."""
        for signal in (pre_save, post_save):

            @only_when_field_changed("stock")
            async def heard(sender, changed, **kwargs):
                await asyncio.sleep(0)
                self.heard.append(changed)

            with connected(signal, heard, sender=Product):
                self.save(stock=4)
                self.assertEqual(self.take(), [{"stock": (3, 4)}])
                fixture(self.product.pk, title="Tea", stock=3).save()
                self.assertEqual(self.take(), [{"stock": (4, 3)}])
                self.product.refresh_from_db()

    def test_stacked(self):
        """Two conditions must both hold, and what they tell is put together."""
        told = []

        @only_when_field_changed("stock")
        @only_when_field_changed("price", "title")
        def both(sender, changed, **kwargs):
            told.append(sorted(changed))

        @only_when_created
        @only_when_field_changed("stock")
        def new(sender, changed, **kwargs):
            told.append(changed)

        with connected(post_save, both, new, sender=Product):
            self.save(stock=4)
            self.save(price=6)
            self.assertEqual(told, [])
            self.save(price=7, stock=5)
            self.assertEqual(told, [["price", "stock"]])
            Product.objects.create(title="Milk", stock=1)
        self.assertEqual(told[1:], [["stock", "title"], {"stock": (None, 1)}])

    def test_connected_late(self):
        """Who is connected may change at any time: what was loaded before is known."""
        self.product.stock = 4
        self.hear("stock")
        with self.assertNumQueries(1):
            self.product.save()
        self.assert_heard(stock=(3, 4))

    def test_any_sender(self):
        """Without a sender each model that sends counts."""
        self.hear("price", sender=None)
        self.save(price=6)
        Rate.objects.create(code="a", price=1)
        self.assertEqual(len(self.take()), 4)

    def test_no_such_field(self):
        """Where a model has no such field, the first save says so, and what it has."""
        for name in ("weight", "similar", "doubled", "perishable", "pk"):
            self.hear(name, signals=[pre_save])
            with self.assertRaises(FieldDoesNotExist) as raised:
                self.save(stock=4)
            self.assertIn(f"warehouse.Product has no field {name!r}", str(raised.exception))
            self.assertIn("price, stock, supplier, title", str(raised.exception))
            pre_save.disconnect(self.keep.pop(), sender=Product)

    def test_nobody_asks(self):
        """Then nothing is looked up, whatever the fields are called."""
        self.hear("stock", sender=Perishable)
        with self.assertNumQueries(1):
            Product(pk=self.product.pk, title="Tea").save(force_update=True)

    def test_threads(self):
        """Saves in several threads do not mix."""
        started = threading.Barrier(4, timeout=30)
        wrong = []

        @only_when_field_changed("stock")
        def heard(sender, instance, changed, **kwargs):
            if changed != {"stock": (None, instance.stock)}:
                wrong.append(changed)

        def save(number):
            try:
                started.wait()
                for step in range(200):
                    product = Product(stock=number + step)
                    named = {"raw": False, "using": "default", "update_fields": None}
                    post_save.send(Product, instance=product, created=True, **named)
            except Exception as error:
                wrong.append(error)

        with connected(post_save, heard, sender=Product):
            threads = [threading.Thread(target=save, args=[n * 1000]) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])


class WatchedModelsTests(ChangedTestCase):
    """Which models are looked at."""

    def test_by_their_fields(self):
        """Those that have all the fields; a child inherits that, and others stay as they are."""
        only_when_field_changed("price", "stock")
        self.assertIn("from_db", vars(Product))
        for model in (Perishable, Bargain, Supplier, Priced, models.Model):
            self.assertNotIn("signalscope", repr(vars(model).get("save_base", "")))
            if model is not models.Model:
                self.assertNotIn("from_db", vars(model))

    @isolate_apps("tests.warehouse")
    def test_model_made_later(self):
        """A model that is made after the condition is watched, too."""
        only_when_field_changed("weight_g")

        class Parcel(models.Model):
            weight_g = models.IntegerField()

            class Meta:
                app_label = "warehouse"

        self.addCleanup(changes._watched.discard, Parcel)
        self.assertIn(Parcel, changes._watched)

    def test_model_that_was_not_met(self):
        """Before a save it is looked up then; only of the very first post_save is nothing known."""
        state = ProjectState()
        state.add_model(ModelState.from_model(Rate))
        fake = state.apps.get_model("warehouse", "Rate")
        self.assertEqual(fake.__module__, "__fake__")
        self.assertNotIn(fake, changes._watched)
        fake.objects.create(code="a", price=1)
        rate = fake.objects.get()
        rate.price = 2
        self.hear("price", signals=[post_save], sender=None)
        rate.save()
        self.assert_heard()
        rate.price = 3
        rate.save()
        self.assertEqual(self.take(), [("post", {"price": (2, 3)})])
        self.addCleanup(changes._watched.discard, fake)

    def test_model_that_was_not_met_before_the_save(self):
        """With a receiver of pre_save, the first save of such a model is right already."""
        state = ProjectState()
        state.add_model(ModelState.from_model(Rate))
        fake = state.apps.get_model("warehouse", "Rate")
        fake.objects.create(code="a", price=1)
        rate = fake.objects.get()
        rate.price = 2
        self.hear("price", sender=None)
        rate.save()
        self.assert_heard(price=(1, 2))
        self.addCleanup(changes._watched.discard, fake)

    def test_one_receiver_of_class_prepared(self):
        """However many conditions there are."""
        for name in ("price", "stock", "title"):
            only_when_field_changed(name)
        ours = [entry for entry in class_prepared.receivers if entry[0][0] == changes._UID]
        self.assertEqual(len(ours), 1)


class AutocommitTests(TransactionTestCase):
    """Without a transaction around."""

    def test_no_transaction_more(self):
        """A save stays the one statement that it is without a condition."""
        told = []

        @only_when_field_changed("stock")
        def heard(sender, changed, **kwargs):
            told.append((changed, connection.in_atomic_block))

        Product.objects.create(title="Tea", stock=3)
        product = Product.objects.get()
        product.stock = 4
        with connected(post_save, heard, sender=Product), self.assertNumQueries(1):
            product.save()
        self.assertEqual(told, [({"stock": (3, 4)}, False)])
        gc.collect()

    def test_rolled_back(self):
        """After a rollback the row is as it was, and a save changes it again."""
        told = []

        @only_when_field_changed("stock")
        def heard(sender, changed, **kwargs):
            told.append(changed)

        Product.objects.create(title="Tea", stock=3)
        product = Product.objects.get()
        product.stock = 4
        with connected(post_save, heard, sender=Product):
            with transaction.atomic():
                product.save()
                transaction.set_rollback(True)
            product.save()
        self.assertEqual(told, [{"stock": (3, 4)}] * 2)
        gc.collect()

    def test_loaddata(self):
        """loaddata sends raw saves, which count."""
        told = []

        @only_when_field_changed("stock")
        def heard(sender, changed, raw, **kwargs):
            told.append((raw, changed))

        product = Product.objects.create(title="Tea", stock=3)
        out = StringIO()
        call_command("dumpdata", "warehouse.Product", stdout=out)
        Product.objects.update(stock=5)
        with connected(post_save, heard, sender=Product):
            with mock.patch("sys.stdin", StringIO(out.getvalue())):
                call_command("loaddata", "-", format="json", verbosity=0)
        product.refresh_from_db()
        self.assertEqual((told, product.stock), ([(True, {"stock": (5, 3)})], 3))
        gc.collect()
        connections.close_all()
