"""Rows that refer to a trace: it gets the key that they were told, and is kept for them."""

import asyncio
import threading
from datetime import UTC, datetime
from unittest import mock

from asgiref.sync import sync_to_async

import signalscope
from signalscope import wiring
from signalscope.context import CONTEXT, Actor
from signalscope.core.keys import Keys
from signalscope.models import ActivityLog, Trace
from signalscope.recorder.notes import Entry
from signalscope.recorder.strands import running_trace
from tests.recorder.test_keeping import settings
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase, connected


class Ada:
    """Who is behind the work, in these tests."""

    def actor(self, *, may_query):
        """Say so, at no query."""
        assert not may_query
        return Actor(key="7", label="ada", ip_address="192.0.2.1", user_agent="curl/8")


def refer(sender=None, **kwargs):
    """Return the key of the running trace."""
    return running_trace().refer("activity")


async def arefer(sender=None, **kwargs):
    """Return the key of the running trace."""
    return running_trace().refer("activity")


class ReferTests(StoreTestCase):
    """Most traces are not kept; these are."""

    def test_it_is_kept_under_that_key(self):
        """Also when it would not have been kept otherwise."""
        with settings():
            with signalscope.trace("import"):
                key = refer()
            with signalscope.trace("other"):
                pass
            self.assertTrue(signalscope.flush(30))
        (trace,) = Trace.objects.all()
        self.assertEqual((trace.pk, trace.kept_because), (key, "activity"))

    def test_no_reason_keeps_nothing(self):
        """The key is still that of the row, where there is one."""
        with settings():
            with signalscope.trace("import"):
                running_trace().refer("")
            self.assertTrue(signalscope.flush(30))
        self.assertFalse(Trace.objects.exists())

    def test_a_sampled_trace_has_the_key(self):
        """It is kept as one of the sample."""
        with settings(SAMPLE_RATE=1.0):
            with signalscope.trace("import"):
                key = refer()
            self.assertTrue(signalscope.flush(30))
        (trace,) = Trace.objects.all()
        self.assertEqual((trace.pk, trace.kept_because), (key, "sample"))

    def test_every_place_refers_to_the_same(self):
        """Receivers, async ones, threads and tasks."""
        keys = []

        def collect(sender, **kwargs):
            keys.append(refer())

        async def acollect(sender, **kwargs):
            keys.append(await arefer())
            keys.append(await sync_to_async(refer)())

        async def send():
            await order_paid.asend(sender=None)

        with settings(), connected(order_paid, collect, acollect):
            with signalscope.trace("import"):
                keys.append(refer())
                order_paid.send(sender=None)
                asyncio.run(send())
            self.assertTrue(signalscope.flush(30))
        self.assertEqual(len(keys), 7)
        self.assertEqual(set(keys), {Trace.objects.get().pk})

    def test_threads_agree(self):
        """The first key counts, however many ask at once."""
        with settings(), signalscope.trace("import"):
            trace = running_trace()
            barrier, keys = threading.Barrier(8), []

            def ask():
                barrier.wait()
                keys.append(trace.refer("activity"))

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(set(keys)), 1)

    def test_nothing_is_running(self):
        """Outside of any trace there is nothing to refer to; an inner trace is its own."""
        self.assertIsNone(running_trace())
        with settings(), signalscope.trace("outer"):
            outer = refer()
            with signalscope.trace("inner"):
                self.assertNotEqual(refer(), outer)
            self.assertEqual(refer(), outer)

    def test_a_taken_key(self):
        """Where another process has chosen the same key the trace is stored under another one."""
        with settings(SAMPLE_RATE=1.0):
            with signalscope.trace("import"):
                key = refer()
            with mock.patch.object(Keys, "turn", lambda keys: setattr(keys, "_last", key - 1)):
                with signalscope.trace("first"):
                    refer()
            self.assertTrue(signalscope.flush(30))
        self.assertEqual(Trace.objects.count(), 2)
        self.assertEqual(set(Trace.objects.values_list("name", flat=True)), {"import", "first"})

    def test_who_is_behind_it(self):
        """What the context knows as the trace ends is in its row."""
        token = CONTEXT.set(Ada())
        try:
            with settings(SAMPLE_RATE=1.0):
                with signalscope.trace("import"):
                    mail_queued.send(sender=None)
                self.assertTrue(signalscope.flush(30))
        finally:
            CONTEXT.reset(token)
        trace = Trace.objects.get()
        self.assertEqual(
            (trace.user_key, trace.user_label, trace.ip_address, trace.user_agent),
            ("7", "ada", "192.0.2.1", "curl/8"),
        )


class NoteTests(StoreTestCase):
    """Entries go to the database by the writer."""

    def note(self, **values):
        """Give the writer an entry."""
        entry = Entry(at=datetime.now(UTC), action="tested", **values)
        wiring.scope().recorder.note_entries([entry])

    def test_hostile_values(self):
        """What no database takes is left out or told as text."""
        with settings():
            self.note(
                object_label="a\0b\ud800",
                changes={"name\0": ["\\u0000 \0 \ud800", float("nan")], "n": [2**60, None]},
            )
            self.assertTrue(signalscope.flush(30))
        entry = ActivityLog.objects.get()
        self.assertEqual(entry.object_label, "ab?")
        self.assertEqual(entry.changes, {"name": ["\\u0000  ?", "nan"], "n": [2**60, None]})

    def test_a_test_run_stores_nothing(self):
        """Unless it asks for it."""
        with settings(STORE_IN_TESTS=False):
            self.note()
        self.assertTrue(signalscope.flush(30))
        self.assertFalse(ActivityLog.objects.exists())
