"""Tests of the pages Signals and receiver statistics."""

from unittest import mock

from django.test import override_settings
from django.utils import timezone

from signalscope.models import Loss
from tests.admin.base import AdminTestCase, address
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.stats.rows import HOSTILE, call, dispatch, rollup, trace


def hears(sender, **kwargs):
    """Be connected, and called."""


def never(sender, **kwargs):
    """Be connected, and never called."""


NAME = f"{__name__}.hears"


def connect(case):
    order_paid.connect(hears, sender=Order, dispatch_uid="stock")
    order_paid.connect(never)
    case.addCleanup(order_paid.disconnect, hears, sender=Order, dispatch_uid="stock")
    case.addCleanup(order_paid.disconnect, never)


class SignalsPageTests(AdminTestCase):
    """The registry, with what became of each receiver."""

    def test_tells_apart(self):
        """Called, never called and sent to nobody are told apart, with figures."""
        connect(self)
        rollup(*[2_000_000] * 7, receiver=NAME, errors=3)
        rollup(signal="tests.shop.signals.never_heard", receiver="", count=4)
        page = self.get(address("signals"))
        rows = {
            name: next(row for row in page.split("<tr") if f">{name}</a>" in row)
            for name in ("hears", "never")
        }
        for text in ("called", ">7<", "1.92 ms", ">3</span>", "stock", "shop.Order"):
            self.assertIn(text, rows["hears"])
        self.assertIn("never called", rows["never"])
        self.assertNotIn("never called", rows["hears"])
        self.assertIn("sent to nobody", page)

    def test_problems_are_shown(self):
        """That signalscope is off, or not installed, is said with the reason."""
        with override_settings(SIGNALSCOPE={"ENABLED": False}):
            self.assertIn("switched off", self.get(address("signals")))
        with (
            mock.patch("signalscope.wiring.is_installed", return_value=False),
            mock.patch("signalscope.wiring.scope") as scope,
        ):
            scope.return_value.problem = "somebody <b>else</b> patched it"
            page = self.get(address("signals"))
        self.assertIn("not recording", page)
        self.assertIn("somebody &lt;b&gt;else", page)

    def test_losses_and_empty(self):
        """Losses are shown; without calls the page says what to do."""
        self.assertIn("No call was stored in this time", self.get(address("signals")))
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=3, dispatch_count=5, call_count=8
        )
        self.assertIn("Lost in this time: calls missing below: 8", self.get(address("signals")))

    def test_longer_time(self):
        """The last 7 days can be chosen; an unknown time is the last 24 hours."""
        rollup(1000, receiver=NAME, age_s=3 * 86_400)
        self.assertIn(">hears</a>", self.get(f"{address('signals')}?since=7d"))
        self.assertNotIn(">hears</a>", self.get(f"{address('signals')}?since=x"))

    def test_same_queries_with_1_and_50_rows(self):
        """The page's queries do not grow with the rows."""
        counts = set()
        for rows in (1, 49):
            for number in range(rows):
                rollup(1000, receiver=f"r{number}")
            queries = self.queries(address("signals"))
            self.assertIn(sum("signalscope_" in query for query in queries), (5, 6))
            counts.add(len(queries))
        self.assertEqual(len(counts), 1)

    def test_hostile_names(self):
        """Names cannot become markup, however long."""
        for text in HOSTILE:
            rollup(1000, signal=text, sender=text, receiver=text)
            rollup(signal=text, sender=text, receiver="", count=1)
        self.assertNotIn("<script>alert", self.get(address("signals")))


class ReceiverPageTests(AdminTestCase):
    """One receiver's statistics."""

    def page(self, receiver=NAME, **query):
        return self.client.get(
            address("receiver"), {"receiver": receiver, **query}
        ).content.decode()

    def test_figures_and_calls(self):
        """The page has figures by signal and sender, and links slow and failed calls."""
        connect(self)
        rollup(*[2_000_000] * 20, receiver=NAME, errors=1)
        of = trace(name="POST /pay/")
        call(
            dispatch(of, repeat_count=2),
            receiver=NAME,
            outcome="error",
            error_type="ValueError",
            error_message="declined",
        )
        page = self.page()
        for text in (
            "shop.Order",
            ">20<",
            "2.00 ms",
            "40.0 ms",
            "stock",
            "POST /pay/",
            "\N{MULTIPLICATION SIGN}2",
            "ValueError",
            "declined",
            address("trace_change", of.pk),
        ):
            self.assertIn(text, page)

    def test_unknown_receiver(self):
        """A receiver that is not known, or none at all, has a page that says so."""
        for name in ("", "nobody.here", *HOSTILE):
            page = self.page(name)
            self.assertIn("Not connected in this process", page)
            self.assertIn("Not called in this time", page)
            self.assertIn("No such call is among", page)
            self.assertNotIn("<script>alert", page)

    def test_same_queries_with_1_and_50_rows(self):
        """The page's queries do not grow with the rows."""
        counts = set()
        for rows in (1, 49):
            for number in range(rows):
                rollup(1000, receiver=NAME, sender=f"s{number}")
                call(dispatch(trace()), receiver=NAME, outcome="error")
            queries = self.queries(f"{address('receiver')}?receiver={NAME}")
            self.assertEqual(sum("signalscope_" in query for query in queries), 2)
            counts.add(len(queries))
        self.assertEqual(len(counts), 1)
