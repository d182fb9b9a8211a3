"""Why connected receivers were not called."""

from django.core.signals import request_started
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import (
    SimpleTestCase,
    override_settings,
)

from signalscope import wiring
from tests.panels.toolbar import PanelMixin, connected, fail, log_mail, receipt, tree
from tests.shop.models import Item, Order
from tests.shop.signals import mail_queued, order_paid


class NotCalledTests(PanelMixin, SimpleTestCase):
    """Why connected receivers were not called."""

    def test_called(self):
        """A receiver that was called is not listed, whichever sender it was connected for."""
        with connected((order_paid, log_mail, Order), (mail_queued, fail)), self.watched():
            order_paid.send(sender=Order)
            mail_queued.send_robust(sender=Item)
        self.assertEqual(self.not_called(), {})

    def test_signal_not_sent(self):
        """Nobody sent the signal."""
        with connected((order_paid, log_mail)), self.watched():
            pass
        self.assertEqual(self.not_called(), {"log_mail": ("unsent", "")})
        self.assertIn("its signal was not sent", self.panel.content)

    def test_signal_not_sent_by_sender(self):
        """Nothing is known of the signal's other senders."""
        with connected((post_save, log_mail, Order)), self.watched():
            pass
        self.assertEqual(self.not_called(), {"log_mail": ("unsent_by_sender", "")})
        self.assertIn("its signal was not sent by this sender", self.panel.content)

    def test_sent_by_another_sender(self):
        """The signal was sent, by others."""
        with connected((order_paid, log_mail, Order)), self.watched():
            order_paid.send(sender=Item)
            order_paid.send(sender=None)
        self.assertEqual(self.not_called(), {"log_mail": ("other_sender", "None, shop.Item")})
        self.assertIn("sent by another sender: None, shop.Item", self.panel.content)

    def test_many_other_senders(self):
        """Three of many senders are named."""
        with connected((order_paid, log_mail, Order)), self.watched():
            for name in "abcde":
                order_paid.send(sender=type(name, (), {"__module__": "m"}))
        self.assertEqual(self.not_called()["log_mail"], ("other_sender", "m.a, m.b, m.c, +2"))

    def test_receiver_before_it_failed(self):
        """send() stops at the first receiver that fails."""
        pairs = ((order_paid, fail), (order_paid, log_mail))
        with connected(*pairs), self.watched(), self.assertRaises(ValueError):
            order_paid.send(sender=Order)
        self.assertEqual(self.not_called(), {"log_mail": ("failed", f"{fail.__module__}.fail")})
        content = self.panel.content
        self.assertIn("a receiver before it failed", content)
        self.assertIn("1 receiver not reached", content)

    def test_connected_late(self):
        """The receiver was connected after the signal was sent."""
        with self.watched():
            order_paid.send(sender=Order)
            order_paid.connect(log_mail)
            self.addCleanup(order_paid.disconnect, log_mail)
        self.assertEqual(self.not_called(), {"log_mail": ("late", "")})
        self.assertIn("it was not connected yet", self.panel.content)

    def test_outside_of_the_toolbar(self):
        """request_started is sent before the toolbar looks."""
        with connected((request_started, log_mail)), self.watched():
            pass
        self.assertEqual(self.not_called(), {"log_mail": ("outside", "")})
        self.assertIn("before or after the toolbar looks", self.panel.content)

    def test_collected(self):
        """A receiver that was garbage-collected is still connected, and says so."""

        def local(**named):
            pass

        order_paid.connect(local)
        del local
        try:
            with self.watched():
                pass
        finally:
            order_paid.connect(log_mail)
            order_paid.disconnect(log_mail)
        reasons = [entry["reason"] for entry in self.stats["not_called"]]
        self.assertIn("collected", reasons)
        self.assertIn("it was garbage-collected", self.panel.content)

    def test_same_receiver_twice(self):
        """A receiver connected for two senders is listed for the one that did not send."""
        pairs = ((order_paid, log_mail, Order), (order_paid, log_mail, Item))
        with connected(*pairs), self.watched():
            order_paid.send(sender=Order)
        entries = [entry for entry in self.stats["not_called"] if entry["sender"] == "shop.Item"]
        self.assertEqual(
            [entry["receiver"] for entry in entries], [f"{log_mail.__module__}.log_mail"]
        )

    def test_libraries_are_counted_only(self):
        """Receivers of Django itself are not listed."""
        with self.watched():
            pass
        listed = [entry["receiver"] for entry in self.stats["not_called"]]
        self.assertEqual([name for name in listed if name.startswith("django.")], [])
        self.assertGreater(self.stats["library_not_called_count"], 0)
        self.assertIn("of Django itself", self.panel.content)

    @override_settings(SIGNALSCOPE={"EXCLUDE": ["log_mail"]})
    def test_excluded_is_not_listed(self):
        """A receiver that is not watched cannot be told to be called or not."""
        with connected((order_paid, log_mail), (order_paid, receipt)), self.watched():
            pass
        self.assertEqual(set(self.not_called()), {"receipt"})

    @override_settings(SIGNALSCOPE={"EXCLUDE": ["log_mail"], "INCLUDE": ["order_paid"]})
    def test_included_is_listed(self):
        """INCLUDE wins over EXCLUDE."""
        with connected((order_paid, log_mail)), self.watched():
            pass
        self.assertEqual(set(self.not_called()), {"log_mail"})

    def test_signal_registered_later(self):
        """A module imported since the last request is looked through."""
        signal = Signal()
        signal.connect(log_mail)
        self.addCleanup(signal.disconnect, log_mail)
        wiring.register(signal, name="tests.late")
        try:
            with self.watched():
                signal.send(sender=None)
        finally:
            wiring.unregister(signal)
        self.assertEqual(tree(self.stats), "late send None\n  log_mail ok")
