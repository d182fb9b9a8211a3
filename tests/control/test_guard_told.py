"""Who is told that a guard has changed."""

import asyncio
import logging

from django.test import override_settings

import signalscope
from signalscope.control.breaker import HALF_OPEN, OPEN
from signalscope.models import ActivityLog, Rollup, Trace
from signalscope.signals import guard_changed
from tests.activity.base import ActivityTestCase
from tests.admin.base import AdminTestCase, address
from tests.control.guards import (
    LIMITS,
    Crm,
    QuietTestCase,
    guarded,
    other,
    send,
    told,
)
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected, label, recorded


class TellTests(QuietTestCase):
    """Who hears of a change."""

    def test_log(self):
        """A warning as it opens; that it is tried and closes is worth an info."""
        logging.getLogger("signalscope.guard").disabled = False
        start = f"The guard of {label(Crm.sync)} is"
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            with self.assertLogs("signalscope.guard", "INFO") as logged:
                self.send_failing()
                clock.now += 300
                self.crm.is_well = True
                send(order_paid)
        self.assertEqual(
            [(record.levelname, record.getMessage()) for record in logged.records],
            [
                ("WARNING", f"{start} open: 4 of 4 calls failed in 60 s."),
                ("INFO", f"{start} half_open: a call is let through after 300 s."),
                ("INFO", f"{start} closed: the call that was let through ended well."),
            ],
        )

    def test_a_listener_that_fails(self):
        """The host has its own error, and the other listeners are told."""

        def fail(sender, **kwargs):
            raise RuntimeError("no pager")

        with guarded(self.crm.sync), connected(guard_changed, fail), told() as changes:
            with connected(order_paid, self.crm.sync):
                self.send_failing(times=3)
                with self.assertRaisesMessage(ValueError, "no answer"):
                    order_paid.send(sender=None)
        self.assertEqual(len(changes), 1)

    def test_a_listener_that_sends_the_signal(self):
        """It may; what comes of that is told at the next dispatch, and nothing goes round."""
        sent = []

        def send_again(sender, state, **kwargs):
            sent.append(state)
            clock.now += 300
            send(order_paid)

        with guarded(self.crm.sync) as clock, connected(guard_changed, send_again):
            with connected(order_paid, self.crm.sync):
                self.send_failing()
                self.assertEqual((sent, self.crm.count), ([OPEN], 5))
                send(order_paid)
                # The two changes of that dispatch, during each of which it is tried again.
                self.assertEqual((sent, self.crm.count), ([OPEN, HALF_OPEN, OPEN], 7))

    def test_async_listeners(self):
        """They are told where Django can call them; else that is logged, and sync ones are told."""
        heard = []

        async def hear(sender, state, **kwargs):
            heard.append(state)

        with guarded(self.crm.sync, min_calls=1) as clock, connected(guard_changed, hear):
            with connected(order_paid, self.crm.sync), told() as changes:
                self.send_failing(times=1)
                self.assertEqual(heard, [OPEN])
                clock.now += 300
                with self.assertLogs("signalscope", "ERROR") as logged:
                    asyncio.run(order_paid.asend_robust(Order))
        self.assertEqual([state for _, state, _ in changes], [OPEN, HALF_OPEN, OPEN])
        self.assertEqual(len(logged.records), 2)

    def test_it_is_not_recorded(self):
        """What a listener sends is, in its place."""

        def send_mail(sender, **kwargs):
            send(mail_queued)

        def pay(sender, **kwargs):
            send(order_paid)

        with guarded(self.crm.sync, min_calls=1), connected(guard_changed, send_mail):
            with connected(order_paid, self.crm.sync), connected(mail_queued, other, pay):
                with recorded() as seen:
                    self.send_failing(times=1)
        self.assertEqual(
            seen.text,
            "order_paid\n  sync error\nmail_queued\n  other ok\n  pay ok\n"
            "    order_paid\n      sync muted\n",
        )


class LogTests(ActivityTestCase):
    """The activity log."""

    def open(self):
        """Open a guard in a trace."""
        crm = Crm()
        crm.is_well = False
        with connected(order_paid, crm.sync), signalscope.trace("import"):
            with self.assertLogs("signalscope.guard"), self.assertLogs("django.dispatch"):
                send(order_paid, 6)

    def settings(self, **values):
        given = {"STORE_IN_TESTS": True, "SAMPLE_RATE": 0.0, "FLUSH_INTERVAL_S": 600}
        return override_settings(
            SIGNALSCOPE={**given, "GUARD": {label(Crm.sync): LIMITS}, **values}
        )

    def test_entry(self):
        """An entry tells of it, the trace is kept, and the calls are counted as muted."""
        with self.settings(KEEP_ERRORS=False):
            self.open()
            entry = self.entries()[-1]
        self.assertEqual(entry.action, ActivityLog.Action.GUARD_CHANGED)
        self.assertEqual(entry.object_label, label(Crm.sync))
        self.assertEqual(entry.details, {"state": "open", "because": "4 of 4 calls failed in 60 s"})
        trace = Trace.objects.get()
        self.assertEqual((entry.trace_key, trace.kept_because), (trace.pk, "activity"))
        found = Rollup.objects.get(receiver=label(Crm.sync))
        self.assertEqual((found.call_count, found.error_count, found.muted_count), (4, 4, 2))

    def test_excluded(self):
        """Not where the project does not want it."""
        with self.settings(ACTIVITY_EXCLUDE=["guard_*"]):
            self.open()
            self.assertNotIn("guard_changed", [entry.action for entry in self.entries()])


class PageTests(AdminTestCase):
    """The Signals page."""

    def test_open_guards(self):
        """It shows which receivers this process keeps out, and no others."""
        crm = Crm()
        with guarded(crm.sync, min_calls=1), connected(order_paid, crm.sync, other):
            self.assertNotIn("guard open", self.get(address("signals")))
            crm.is_well = False
            with self.assertLogs("signalscope.guard"), self.assertLogs("django.dispatch"):
                send(order_paid)
            rows = self.get(address("signals")).split("<tr")
        self.assertEqual([label(Crm.sync) in row for row in rows if "guard open" in row], [True])
