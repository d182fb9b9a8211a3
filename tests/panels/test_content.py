"""What the panel records, stores and shows of a request, sync and async."""

import asyncio
import json
import re

import html5lib
from django.test import (
    SimpleTestCase,
    override_settings,
)
from django.utils import translation

from signalscope import wiring
from signalscope.panel_stats import MAX_LISTED, MAX_ROWS
from signalscope.panels import MAX_ITEMS
from signalscope.recorder.recorder import SPILL_LENGTH
from signalscope.recorder.tree import Tree
from tests.panels.toolbar import (
    PanelMixin,
    async_log,
    connected,
    fail,
    log_mail,
    receipt,
    tree,
)
from tests.shop.models import Order
from tests.shop.signals import mail_queued, never_heard, order_paid


class ContentMixin:
    """What is recorded, stored and shown: the same for sync and async requests."""

    def test_tree_nests_what_receivers_send(self):
        """A signal sent by a receiver stands below that receiver's call."""
        pairs = ((order_paid, receipt), (mail_queued, log_mail), (mail_queued, fail))
        with connected(*pairs), self.watched():
            order_paid.send(sender=Order)
            never_heard.send(sender=Order)
            never_heard.send(sender=Order)
        self.assertEqual(
            tree(self.stats),
            "order_paid send shop.Order\n"
            "  receipt ok\n"
            "    mail_queued send_robust None\n"
            "      log_mail ok\n"
            "      fail error\n"
            "never_heard send shop.Order x2 unheard",
        )
        self.assertEqual(self.stats["dispatch_count"], 4)
        self.assertEqual(self.stats["call_count"], 3)
        self.assertEqual(self.stats["error_count"], 1)
        self.assertEqual(self.stats["left_out_count"], 0)

    def test_call_row_has_its_place_and_error(self):
        """A call says where its receiver is defined, and how it failed."""
        with connected((mail_queued, fail)), self.watched():
            mail_queued.send_robust(sender=None)
        row = self.stats["rows"][1]
        line = fail.__code__.co_firstlineno
        self.assertEqual(row["place"], f"{fail.__code__.co_filename}:{line}")
        self.assertEqual(row["error_type"], "ValueError")
        self.assertIn("<script>", row["error_message"])

    def test_stats_are_the_same_after_the_store(self):
        """The stats are plain values: the store gives back what was recorded."""
        with connected((order_paid, receipt), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
            never_heard.send(sender=None)
        self.assertEqual(json.loads(json.dumps(self.stats)), self.stats)
        stored = self.stored_panel()
        self.assertEqual(stored.get_stats(), self.stats)
        self.assertTrue(stored.enabled)

    def test_store_gives_the_same_page(self):
        """Subtitle and content come from the stats alone."""
        with connected((order_paid, receipt), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
        stored = self.stored_panel()
        self.assertEqual(stored.nav_subtitle, self.panel.nav_subtitle)
        self.assertEqual(stored.content, self.panel.content)
        self.assertEqual(str(stored.title), str(self.panel.title))

    def test_nav_subtitle_counts(self):
        """The subtitle counts dispatches and receivers and sums the time."""
        with connected((mail_queued, log_mail)), self.watched():
            mail_queued.send(sender=None)
        self.assertRegex(self.panel.nav_subtitle, r"^1 dispatch, 1 receiver, [\d.]+ (ns|µs|ms|s)$")

    def test_nav_subtitle_counts_plural(self):
        """Errors are counted where there are some."""
        with connected((mail_queued, log_mail), (mail_queued, fail)), self.watched():
            mail_queued.send_robust(sender=None)
            mail_queued.send_robust(sender=None)
        self.assertRegex(
            self.panel.nav_subtitle, r"^2 dispatches, 4 receivers, [\d.]+ \S+, 2 errors$"
        )

    def test_nothing_sent_is_no_empty_stats(self):
        """A request without a dispatch is recorded too, so that the history shows the panel."""
        with self.watched():
            pass
        self.assertTrue(self.stats)
        self.assertTrue(self.stored_panel().enabled)
        self.assertIn("No signal that somebody hears", self.stored_panel().content)
        self.assertEqual(self.panel.nav_subtitle, "0 dispatches, 0 receivers, 0 ns")

    def test_no_stats_yet(self):
        """Before the response is there, subtitle and content are there without numbers."""
        self.assertEqual(self.panel.nav_subtitle, "")
        self.assertIn("Nothing is stored of this request", self.panel.content)

    def test_recorded_once(self):
        """The store serialises all stats at each call, so there is one."""
        calls = []
        self.panel.record_stats = calls.append
        with self.watched():
            mail_queued.send(sender=None)
        self.assertEqual(len(calls), 1)

    def test_unheard_lists_custom_signals(self):
        """A custom signal that nobody hears is listed by sender, with its count."""
        with self.watched():
            for _ in range(3):
                never_heard.send(sender=Order)
            never_heard.send(sender=None)
        self.assertEqual(
            self.stats["unheard"],
            [
                {"signal": "tests.shop.signals.never_heard", "sender": "None", "count": 1},
                {"signal": "tests.shop.signals.never_heard", "sender": "shop.Order", "count": 3},
            ],
        )

    def test_server_timing(self):
        """The browser's network panel shows the time of the dispatches."""
        with connected((mail_queued, log_mail)), self.watched():
            mail_queued.send(sender=None)
        header = self.panel.get_headers(self.request)["Server-Timing"]
        self.assertRegex(header, r'^SignalScopePanel_signals;dur=[\d.e-]+;desc="Signal receivers"$')

    def test_html_is_valid(self):
        """The content parses without an error, also with hostile text in it."""
        with connected((order_paid, receipt), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
            never_heard.send(sender=None)
        for panel in (self.panel, self.stored_panel()):
            parser = html5lib.HTMLParser()
            parser.parseFragment(panel.content)
            self.assertEqual(parser.errors, [])

    def test_hostile_text_is_escaped(self):
        """Text of the host never becomes markup."""
        hostile = type('<img src=x onerror="alert(1)">', (), {})
        with connected((mail_queued, fail)), self.watched():
            mail_queued.send_robust(sender=hostile)
            never_heard.send(sender=hostile)
        content = self.stored_panel().content
        self.assertNotIn("<script", content)
        self.assertNotIn("<img", content)
        self.assertIn("&lt;script&gt;", content)
        self.assertIn("&lt;img src=x", content)

    def test_no_inline_script_or_style(self):
        """A strict content security policy lets everything through."""
        with connected((order_paid, receipt), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
        content = self.panel.content
        self.assertIsNone(re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", content))
        self.assertEqual(self.panel.scripts, [])

    def test_bars_are_written_without_a_comma(self):
        """A bar's width is a number for the browser, whatever the language."""
        with connected((order_paid, receipt), (mail_queued, log_mail)), self.watched():
            order_paid.send(sender=Order)
        with translation.override("de"):
            widths = re.findall(r'<rect[^>]* width="([^"]*)"', self.panel.content)
        self.assertTrue(widths)
        for width in widths:
            self.assertLessEqual(float(width), 100)

    def test_rows_are_capped(self):
        """What is stored on each request is bounded; the rest is counted."""
        with connected((order_paid, log_mail)), self.watched():
            for number in range(MAX_ROWS):
                order_paid.send(sender=type(f"Sender{number}", (), {}))
        self.assertEqual(len(self.stats["rows"]), MAX_ROWS)
        self.assertEqual(self.stats["rows_left_out_count"], MAX_ROWS // 2)
        self.assertEqual(self.stats["dispatch_count"], MAX_ROWS)
        self.assertIn("250 more dispatches are counted above", self.panel.content)
        self.assertNotIn("log_mail", self.not_called())

    def test_unheard_is_capped(self):
        """The list of unheard signals is bounded; the rest is counted."""
        with self.watched():
            for number in range(MAX_LISTED + 5):
                never_heard.send(sender=type(f"Sender{number}", (), {}))
        self.assertEqual(len(self.stats["unheard"]), MAX_LISTED)
        self.assertIn("5 more are not listed", self.panel.content)

    def test_left_out_is_counted(self):
        """Beyond the trace's limit and the copy's, the panel says how many it lacks."""
        with override_settings(SIGNALSCOPE={"MAX_TRACE_DISPATCHES": 2}), self.watched():
            for number in range(5):
                never_heard.send(sender=type(f"Sender{number}", (), {}))
        self.assertEqual(self.stats["left_out_count"], 3)
        self.assertIn("3 more were left out of the tree", self.panel.content)

    def test_many_dispatches_are_bounded(self):
        """The copy has a limit above the length at which traces are handed over in parts."""
        self.assertGreater(MAX_ITEMS, SPILL_LENGTH)
        with self.watched():
            for _ in range(MAX_ITEMS + 7):
                never_heard.send(sender=None)
        self.assertEqual(self.stats["dispatch_count"], MAX_ITEMS)
        self.assertEqual(self.stats["left_out_count"], 7)

    def test_folded_repeats_are_not_counted_twice(self):
        """The panel and the writer both read a record that was folded while it was long."""

        def send_many(**named):
            for _ in range(2 * SPILL_LENGTH + 10):
                mail_queued.send(sender=None)

        trace = wiring.scope().recorder.open_trace("block", "test")
        try:
            with connected((order_paid, send_many), (mail_queued, log_mail)):
                self.panel.enable_instrumentation()
                order_paid.send(sender=None)
                self.panel.disable_instrumentation()
            written = Tree(1000)
            written.add(list(trace))
            self.finish()
        finally:
            wiring.scope().recorder.close_trace(trace)
        expected = 2 * SPILL_LENGTH + 10
        self.assertIn(f"mail_queued send None x{expected}", tree(self.stats))


class SyncContentTests(PanelMixin, ContentMixin, SimpleTestCase):
    """A sync request."""


class AsyncContentTests(PanelMixin, ContentMixin, SimpleTestCase):
    """An ASGI request, for which the toolbar hides panels that are not async."""

    is_async = True

    def test_enabled(self):
        """The panel says that it is async."""
        self.assertTrue(self.panel.enabled)

    def test_asend(self):
        """Async dispatches and calls are recorded like any other."""

        async def view():
            self.panel.enable_instrumentation()
            await mail_queued.asend_robust(sender=None)
            self.panel.disable_instrumentation()

        with connected((mail_queued, async_log), (mail_queued, fail)):
            asyncio.run(view())
            self.finish()
        self.assertEqual(
            tree(self.stats),
            "mail_queued asend_robust None\n  fail error\n  async_log ok",
        )
