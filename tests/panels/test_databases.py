"""SQL of receivers in the panel, and the toolbar's own."""

import uuid

from debug_toolbar.models import HistoryEntry
from django.db import connection
from django.db.models.signals import post_save, pre_save
from django.test import (
    TestCase,
    TransactionTestCase,
    override_settings,
)

from signalscope import wiring
from tests.panels.toolbar import PanelMixin, connected, fail, log_mail, look_again, receipt, tree
from tests.shop.models import Order, Tag
from tests.shop.signals import mail_queued, never_heard, order_paid


@override_settings(SIGNALSCOPE={"CAPTURE_SQL": True})
class SqlTests(PanelMixin, TestCase):
    """SQL of receivers, and what the toolbar itself writes."""

    def test_repeated_statements_get_a_badge(self):
        """A receiver that runs one statement three times is marked."""
        with connected((order_paid, look_again)), self.watched():
            order_paid.send(sender=Order)
            Tag.objects.count()
        row = self.stats["rows"][1]
        self.assertEqual((row["query_count"], row["repeated_query_count"]), (3, 2))
        self.assertEqual(self.stats["query_count"], 4)
        self.assertEqual(self.stats["receiver_query_count"], 3)
        self.assertIn("N+1: 2 repeated", self.panel.content)
        self.assertNotIn("CAPTURE_SQL", self.panel.content)

    def test_model_signals(self):
        """A save shows both its signals, in a transaction or not."""
        pairs = ((pre_save, log_mail, Tag), (post_save, log_mail, Tag))
        with connected(*pairs), self.watched():
            Tag.objects.create(name="x")
        self.assertEqual(
            tree(self.stats),
            "pre_save send shop.Tag\n  log_mail ok\npost_save send shop.Tag\n  log_mail ok",
        )
        self.assertTrue(self.stats["rows"][0]["in_atomic"])
        self.assertIn("in transaction", self.panel.content)

    @override_settings(SIGNALSCOPE={"CAPTURE_SQL": False})
    def test_sql_off_is_said(self):
        """Without CAPTURE_SQL the panel says why there are no queries."""
        with connected((order_paid, look_again)), self.watched():
            order_paid.send(sender=Order)
        self.assertEqual(self.stats["receiver_query_count"], 0)
        self.assertIn("CAPTURE_SQL", self.panel.content)

    def test_stats_and_content_run_no_query(self):
        """Neither stats nor page touch the database, with 1 row or with 50."""
        for count in (1, 50):
            with connected((post_save, log_mail, Tag)):
                self.panel.enable_instrumentation()
                for number in range(count):
                    Tag.objects.create(name=str(number))
                self.panel.disable_instrumentation()
                with self.assertNumQueries(0):
                    self.finish()
                    self.assertTrue(self.panel.content)
                    self.assertTrue(self.panel.nav_subtitle)


class DatabaseStoreTests(PanelMixin, TransactionTestCase):
    """The toolbar's DatabaseStore, which sends model signals as it saves."""

    def setUp(self):
        # The toolbar hides its migration as long as another store is set.
        with connection.schema_editor() as editor:
            editor.create_model(HistoryEntry)
        self.addCleanup(self.drop_table)
        config = {
            "IS_RUNNING_TESTS": False,
            "TOOLBAR_STORE_CLASS": "debug_toolbar.store.DatabaseStore",
        }
        self.enterContext(override_settings(DEBUG_TOOLBAR_CONFIG=config))
        super().setUp()

    def drop_table(self):
        """Leave the database as it was found."""
        with connection.schema_editor() as editor:
            editor.delete_model(HistoryEntry)

    def test_store_is_not_recorded(self):
        """What the store saves is no dispatch of the request, nor of its trace."""
        trace = wiring.scope().recorder.open_trace("block", "test")
        try:
            with connected((post_save, log_mail)):
                self.panel.enable_instrumentation()
                never_heard.send(sender=None)
                self.toolbar.store.set(uuid.uuid4().hex)
                self.panel.disable_instrumentation()
                self.finish()
            self.assertEqual([item for item in trace if type(item) is list], [])
        finally:
            wiring.scope().recorder.close_trace(trace)
        self.assertEqual(tree(self.stats), "never_heard send None unheard")

    def test_round_trip(self):
        """The stats come back from the database as they were."""
        with connected((order_paid, receipt), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
        stored = self.stored_panel()
        self.assertEqual(stored.get_stats(), self.stats)
        self.assertEqual(stored.content, self.panel.content)
