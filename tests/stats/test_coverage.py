"""Tests of joining the registry with the roll-ups."""

from django.db.models.signals import post_save
from django.test import TestCase

from signalscope.stats.coverage import State, coverage
from tests.shop.models import Item, Order
from tests.shop.signals import never_heard, order_paid
from tests.stats.rows import SIGNAL, rollup


def hears_order(sender, **kwargs):
    """Be connected to one sender."""


def hears_any(sender, **kwargs):
    """Be connected to all senders."""


NAME = f"{__name__}.hears_order"
ANY = f"{__name__}.hears_any"
POST_SAVE = "django.db.models.signals.post_save"


def connected(case, signal, receiver, **options):
    signal.connect(receiver, **options)
    case.addCleanup(signal.disconnect, receiver, sender=options.get("sender"))


def found(name, **options):
    """Return one signal's coverage."""
    rows = coverage(since=None, using="default", **options)
    return next(row for row in rows if row.name == name)


def states(signal):
    """Return the state of each receiver of this module, with its calls."""
    return [
        (row.receiver.rpartition(".")[2], row.sender, row.count, row.state)
        for row in signal.receivers
        if row.receiver.startswith(__name__)
    ]


class CoverageTests(TestCase):
    """What is called, what never is, what nobody hears."""

    def test_called_and_never_called(self):
        """Connected receivers are called or never called, each by its own sender."""
        connected(self, post_save, hears_order, sender=Order)
        connected(self, post_save, hears_any, sender=Item)
        rollup(1000, 2000, signal=POST_SAVE, receiver=NAME, errors=1)
        self.assertEqual(
            states(found(POST_SAVE)),
            [
                ("hears_order", "shop.Order", 2, State.CALLED),
                ("hears_any", "shop.Item", 0, State.NEVER_CALLED),
            ],
        )

    def test_catch_all_adds_up_all_senders(self):
        """A receiver of any sender counts the calls of all of them."""
        connected(self, order_paid, hears_any)
        rollup(1000, receiver=ANY)
        rollup(1000, 1000, receiver=ANY, sender="shop.Item")
        self.assertEqual(states(found(SIGNAL)), [("hears_any", "", 3, State.CALLED)])

    def test_exact_sender_goes_first(self):
        """Where a receiver hears one sender and any, calls of that sender are the first's."""
        connected(self, order_paid, hears_any, sender=Order)
        connected(self, order_paid, hears_any)
        rollup(1000, receiver=ANY)
        rollup(1000, receiver=ANY, sender="shop.Item")
        self.assertEqual([row[1:3] for row in states(found(SIGNAL))], [("shop.Order", 1), ("", 1)])

    def test_called_elsewhere(self):
        """A receiver that another process has connected is shown as not connected here."""
        rollup(1000, receiver=ANY)
        self.assertEqual(
            states(found(SIGNAL)), [("hears_any", "shop.Order", 1, State.NOT_CONNECTED)]
        )

    def test_excluded_is_not_never_called(self):
        """A receiver that is not recorded is not said to be never called, unless included."""
        connected(self, order_paid, hears_any)
        self.assertEqual(states(found(SIGNAL, exclude=["hears_any"]))[0][3], State.NOT_RECORDED)
        again = found(SIGNAL, exclude=["hears_any"], include=["order_paid"])
        self.assertEqual(states(again)[0][3], State.NEVER_CALLED)

    def test_sent_to_nobody(self):
        """What nobody heard is told by sender."""
        name = "tests.shop.signals.never_heard"
        self.assertFalse(never_heard.receivers)
        rollup(signal=name, receiver="", count=4)
        signal = found(name)
        self.assertEqual((signal.unheard_count, signal.unheard[0].sender), (4, "shop.Order"))

    def test_signal_that_is_not_in_the_registry(self):
        """Roll-ups of a signal that this process does not know are shown all the same."""
        rollup(1000, signal="gone.signals.gone")
        self.assertEqual(found("gone.signals.gone").family, "custom")

    def test_one_query(self):
        """One query, with 1 and with 50 rows."""
        for rows in (1, 49):
            for number in range(rows):
                rollup(1000, receiver=f"r{number}")
            with self.assertNumQueries(1):
                coverage(since=None, using="default")
