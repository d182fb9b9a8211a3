"""Signals that are muted while a factory builds."""

import subprocess
import sys
import threading

import factory
from django.db.models.signals import post_init, post_save, pre_save
from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase

from signalscope.testing.factories import mute_signals
from tests.shop.models import Item, Order, Tag
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected

TIMEOUT_S = 20


class OrderFactory(factory.django.DjangoModelFactory):
    """Makes orders, and is heard."""

    class Meta:
        model = Order
        skip_postgeneration_save = True

    number = factory.Sequence(str)

    @factory.post_generation
    def paid(order, create, extracted, **kwargs):
        """Pay."""
        if extracted:
            order_paid.send(sender=Order, order=order)


class ItemFactory(factory.django.DjangoModelFactory):
    """Makes items of orders, and is heard."""

    class Meta:
        model = Item

    name = "book"
    order = factory.SubFactory(OrderFactory)


@mute_signals(post_save, order_paid)
class QuietOrderFactory(OrderFactory):
    """Makes orders that nobody hears of."""

    class Meta:
        skip_postgeneration_save = True

    class Params:
        with_item = factory.Trait(
            item=factory.RelatedFactory(
                "tests.testing.test_factories.ItemFactory", factory_related_name="order"
            )
        )

    @classmethod
    def _after_postgeneration(cls, order, create, results=None):
        """Save what the hooks have changed."""
        if create:
            order.save()


class QuietChildFactory(QuietOrderFactory):
    """Inherits the quiet."""

    class Meta:
        skip_postgeneration_save = True

    @factory.post_generation
    def tag(order, create, extracted, **kwargs):
        """Make a tag."""
        Tag.objects.create(name="new")


@mute_signals(post_save)
class QuietItemFactory(ItemFactory):
    """Makes items, and orders by a factory that is heard elsewhere."""


class ItemOfQuietOrderFactory(ItemFactory):
    """Is heard itself."""

    order = factory.SubFactory(QuietOrderFactory, paid=True)


class FactoryTestCase(TestCase):
    """Notes who was heard."""

    def setUp(self):
        self.heard = heard = []

        def hear(signal, sender, **kwargs):
            heard.append(("paid" if signal is order_paid else "saved", sender.__name__))

        self.enterContext(connected(post_save, hear))
        self.enterContext(connected(order_paid, hear))


class FactoryTests(FactoryTestCase):
    """Factories that are decorated."""

    def test_others(self):
        """A factory that is not decorated is heard, its base as well."""
        OrderFactory(paid=True)
        self.assertEqual(self.heard, [("saved", "Order"), ("paid", "Order")])

    def test_ways(self):
        """By whatever way it makes objects nobody hears, also in hooks and the save after them."""
        made = [
            QuietOrderFactory(paid=True),
            QuietOrderFactory.create(paid=True),
            *QuietOrderFactory.create_batch(3, paid=True),
            QuietOrderFactory.build(paid=True),
            *QuietOrderFactory.build_batch(2, paid=True),
            QuietOrderFactory(with_item=True),
        ]
        self.assertEqual(self.heard, [])
        self.assertEqual(Order.objects.count(), 6)
        self.assertEqual(len({order.number for order in made}), len(made))
        self.assertEqual(Item.objects.count(), 1)
        self.assertTrue(QuietOrderFactory.stub().number)

    def test_after(self):
        """Outside of it everything is heard."""
        order = QuietOrderFactory()
        order.save()
        self.assertEqual(self.heard, [("saved", "Order")])

    def test_child(self):
        """A factory that inherits from it is quiet, with hooks of its own."""
        QuietChildFactory(paid=True)
        self.assertEqual((self.heard, Tag.objects.count()), ([], 1))

    def test_parts(self):
        """What a factory is made of is a part of its building."""
        QuietItemFactory(order__paid=True)
        self.assertEqual(self.heard, [("paid", "Order")])

    def test_as_part(self):
        """As a part of another factory it is quiet, with its hooks; the other one is heard."""
        ItemOfQuietOrderFactory()
        self.assertEqual(self.heard, [("saved", "Item")])

    def test_child_as_part(self):
        """So is a factory that inherits from it."""

        class OfChild(ItemFactory):
            order = factory.SubFactory(QuietChildFactory, paid=True)

        OfChild()
        self.assertEqual(self.heard, [("saved", "Tag"), ("saved", "Item")])

    def test_error(self):
        """After an error everything is heard."""

        @mute_signals(post_save)
        class Broken(OrderFactory):
            @factory.post_generation
            def fail(order, create, extracted, **kwargs):
                raise KeyError

        with self.assertRaises(KeyError):
            Broken()
        Tag.objects.create(name="a")
        self.assertEqual(self.heard, [("saved", "Tag")])

    def test_receivers(self):
        """Receivers can be named instead, and what else must match."""
        notes = []

        def note(sender, **kwargs):
            notes.append(sender)

        @mute_signals(note, sender=Order)
        class Quiet(OrderFactory):
            pass

        with connected(post_save, note):
            Quiet()
            Tag.objects.create(name="a")
        self.assertEqual(notes, [Tag])
        self.assertEqual(self.heard, [("saved", "Order"), ("saved", "Tag")])


class ThreadTests(SimpleTestCase):
    """Several threads."""

    def test_elsewhere(self):
        """While a factory builds in one thread, signals are heard in another."""
        building, heard, done = threading.Event(), [], threading.Event()

        def hear(**kwargs):
            heard.append(threading.current_thread().name)

        @mute_signals(order_paid)
        class Slow(OrderFactory):
            @factory.post_generation
            def wait(order, create, extracted, **kwargs):
                order_paid.send(sender=Order)
                building.set()
                done.wait(TIMEOUT_S)

        thread = threading.Thread(target=Slow.build, name="building")
        with connected(order_paid, hear):
            thread.start()
            self.assertTrue(building.wait(TIMEOUT_S))
            order_paid.send(sender=Order)
            done.set()
            thread.join(TIMEOUT_S)
        self.assertEqual(heard, ["MainThread"])


class BlockTests(SimpleTestCase):
    """It takes the place of factory_boy's in blocks and functions."""

    def heard_in(self, block):
        """Return which of two signals are heard in a block."""
        heard = []

        def hear_paid(**kwargs):
            heard.append("paid")

        def hear_mail(**kwargs):
            heard.append("mail")

        with connected(order_paid, hear_paid), connected(mail_queued, hear_mail), block:
            order_paid.send(sender=None)
            mail_queued.send(sender=None)
        return heard

    def test_targets(self):
        """Signals, receivers and names of both can be mixed."""
        for block, expected in (
            (mute_signals(order_paid), ["mail"]),
            (mute_signals(order_paid, mail_queued), []),
            (mute_signals("order_paid"), ["mail"]),
            (mute_signals("tests.shop.signals.*"), []),
            (mute_signals("*.hear_paid"), ["mail"]),
            (mute_signals(order_paid, "*.hear_mail"), []),
            (mute_signals(order_paid, receiver="*.hear_mail"), ["paid", "mail"]),
            (mute_signals(family="custom"), []),
            (mute_signals(pre_save, post_init), ["paid", "mail"]),
        ):
            self.assertEqual(self.heard_in(block), expected)

    def test_decorator(self):
        """It decorates functions and classes as signalscope.mute does."""

        @mute_signals(order_paid)
        def send():
            return order_paid.send(sender=None)

        def hear(**kwargs):
            raise AssertionError

        with connected(order_paid, hear):
            self.assertEqual(send(), [])

    def test_text(self):
        """A trace shows the line that muted."""
        self.assertIn("mute_signals at tests.testing.test_factories:", mute_signals(pre_save).text)

    def test_refused(self):
        """What cannot be meant is an error."""
        for targets, keywords in (((), {}), ((3,), {}), ((Signal(),), {"signal": "order_paid"})):
            with self.assertRaisesRegex(TypeError, "mute_signals()"):
                mute_signals(*targets, **keywords)

    def test_without_factory_boy(self):
        """factory_boy need not be installed."""
        code = (
            "import sys; sys.modules['factory'] = None\n"
            "import django; django.setup()\n"
            "from signalscope.testing.factories import mute_signals\n"
            "from django.db.models.signals import pre_save\n"
            "with mute_signals(pre_save): pass\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
