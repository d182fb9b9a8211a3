"""D001: which receivers are connected twice, and which only look like it."""

from signalscope.doctor.identities import connected_twice, is_alike
from tests.doctor.base import DoctorTestCase

HEAD = """
from functools import partial
from tests.shop.models import Item, Order
from tests.shop.signals import mail_queued, order_paid
from django.db.models.signals import post_save
"""


class TwiceTests(DoctorTestCase):
    def twice(self, text):
        """Return the sentences about receivers of a module."""
        self.load(HEAD + text)
        return [
            finding.message
            for finding in self.report(connected_twice).findings
            if finding.file == str(self.path)
        ]

    def test_two_uids(self):
        """Each dispatch_uid is named; without one it is said, too."""
        (message,) = self.twice("""
def hear(sender, **kwargs): ...
order_paid.connect(hear)
order_paid.connect(hear, dispatch_uid="a")
order_paid.connect(hear, dispatch_uid="b")
""")
        self.assertIn("connected to tests.shop.signals.order_paid 3 times", message)
        self.assertIn(
            "without dispatch_uid; with dispatch_uid 'a'; with dispatch_uid 'b'.", message
        )

    def test_any_sender_and_one(self):
        """A receiver of any sender that is connected to one as well runs twice for that."""
        (message,) = self.twice("""
def hear(sender, **kwargs): ...
post_save.connect(hear)
post_save.connect(hear, sender=Order)
""")
        self.assertIn("for any sender; for shop.Order.", message)

    def test_other_senders_and_signals(self):
        """A receiver may hear two senders, and two signals."""
        self.assertEqual(
            self.twice("""
def hear(sender, **kwargs): ...
post_save.connect(hear, sender=Order)
post_save.connect(hear, sender=Item)
order_paid.connect(hear)
mail_queued.connect(hear)
"""),
            [],
        )

    def test_imported_again(self):
        """Functions of a module that is loaded again are others for Django, and the same code."""
        module = self.load(
            HEAD + "def hear(sender, **kwargs): ...\norder_paid.connect(hear, weak=False)\n"
        )
        module.__spec__.loader.exec_module(module)
        (finding,) = [
            one for one in self.report(connected_twice).findings if one.file == str(self.path)
        ]
        self.assertIn("its module was imported again", finding.message)

    def test_factories(self):
        """What a factory makes is the same with the same values only."""
        (message,) = self.twice("""
def make(word):
    def hear(sender, **kwargs): return word
    return hear
KEPT = [make("a"), make("b"), make("a")]
for one in KEPT:
    order_paid.connect(one)
""")
        self.assertIn("2 times", message)

    def test_partials(self):
        """So are partials."""
        (message,) = self.twice("""
def hear(word, sender, **kwargs): ...
for word in "aba":
    order_paid.connect(partial(hear, word), weak=False)
""")
        self.assertIn("2 times", message)

    def test_methods(self):
        """A method is that of its object."""
        self.assertEqual(
            self.twice("""
class Bell:
    def ring(self, sender, **kwargs): ...
    def __call__(self, sender, **kwargs): ...
BELLS = [Bell(), Bell()]
for bell in BELLS:
    order_paid.connect(bell.ring)
    order_paid.connect(bell)
"""),
            [],
        )

    def test_recursive_closure(self):
        """A function that refers to itself is compared in finite time."""

        def make():
            def hear(sender, **kwargs):
                return hear

            return hear

        self.assertFalse(is_alike(make(), make()))

    def test_foreign_values_are_not_compared(self):
        """No code of the project's runs to compare two receivers."""

        class Touchy:
            def __eq__(self, other):
                raise AssertionError("compared")

            __hash__ = None

        def make(value):
            return lambda **kwargs: value

        self.assertFalse(is_alike(make(Touchy()), make(Touchy())))
