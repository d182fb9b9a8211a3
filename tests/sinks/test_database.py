"""Storing what was recorded, in a real database, by the real writer."""

import asyncio
import gc
import threading
from datetime import UTC, datetime, timedelta
from unittest import mock

from django.apps.registry import Apps
from django.db import OperationalError, connection, connections
from django.db.models.signals import class_prepared
from django.test import TransactionTestCase, override_settings

import signalscope
from signalscope import wiring
from signalscope.core.histogram import BOUNDS_NS
from signalscope.core.keys import Keys
from signalscope.models import Dispatch, Loss, ReceiverCall, Rollup, Trace
from signalscope.recorder import strands
from signalscope.recorder.batch import Batch, LossRow, TraceRow
from signalscope.recorder.keeping import Keeping
from signalscope.recorder.tree import Tree
from signalscope.sinks.database import DatabaseSink
from tests.shop.models import Order
from tests.shop.signals import mail_queued, never_heard, order_paid
from tests.trees import connected


def queue_mail(sender, **kwargs):
    """Hear a signal."""


def send_receipt(sender, **kwargs):
    """Send another one."""
    mail_queued.send(sender=sender)


def fail(sender, **kwargs):
    """Fail."""
    raise ValueError("no such address")


def store(**settings):
    """Let the writer store what is recorded in the test."""
    return override_settings(
        SIGNALSCOPE={
            "STORE_IN_TESTS": True,
            "SAMPLE_RATE": 1.0,
            "FLUSH_INTERVAL_S": 600,
            **settings,
        }
    )


class StoreTestCase(TransactionTestCase):
    """Gives each test a fresh writer, and ends it before the tables are flushed."""

    def setUp(self):
        self._settings = store(**getattr(self, "settings_of_scope", {}))
        self._settings.enable()
        scope = wiring.scope()
        scope.recorder.rollups.forget()
        scope.recorder.entries.forget()
        scope.recorder.slow_queries.forget()
        scope.buffer.forget()
        self.writer = scope.writer
        strands.LOOSE.clear()

    def tearDown(self):
        self._settings.disable()
        self.writer.stop()
        self.writer.forget()
        wiring.scope().configure()


class StoreTests(StoreTestCase):
    """What arrives in the tables."""

    def test_trace_with_its_tree(self):
        """A block becomes a trace, its dispatches and calls rows that know their parents."""
        with connected(order_paid, send_receipt, fail), connected(mail_queued, queue_mail):
            with self.assertRaises(ValueError), signalscope.trace("nightly import"):
                order_paid.send(sender=Order)
        self.assertIs(signalscope.flush(30), True)
        trace = Trace.objects.get()
        self.assertEqual(
            (trace.trigger, trace.name, trace.status), ("block", "nightly import", "error")
        )
        self.assertEqual((trace.dispatch_count, trace.call_count, trace.error_count), (2, 3, 1))
        self.assertLess(abs(trace.started_at - datetime.now(UTC)), timedelta(minutes=1))
        root = trace.dispatches.get(parent_call=None)
        self.assertEqual(
            (root.signal, root.sender), ("tests.shop.signals.order_paid", "shop.Order")
        )
        receipt, failed = root.calls.order_by("position")
        self.assertEqual(receipt.receiver, f"{__name__}.send_receipt")
        self.assertEqual((failed.outcome, failed.error_type), ("error", "ValueError"))
        self.assertEqual(failed.error_message, "no such address")
        nested = Dispatch.objects.get(parent_call=receipt)
        self.assertEqual(nested.signal, "tests.shop.signals.mail_queued")
        self.assertGreaterEqual(receipt.duration_ns, nested.duration_ns)

    def test_connection_lost_after_the_commit(self):
        """What was stored is not stored once more."""
        # Its thread closes the connection whenever it has looked for something.
        self.writer.stop()
        self.enterContext(mock.patch.object(self.writer, "start"))
        connection = self.writer.sink._open()
        set_autocommit, seen = connection.set_autocommit, []

        def lose(autocommit):
            seen.append(autocommit)
            if seen == [False, True]:
                raise OperationalError("gone")
            set_autocommit(autocommit)

        with connected(order_paid, queue_mail), signalscope.trace("block"):
            order_paid.send(sender=Order)
        with mock.patch.object(connection, "set_autocommit", lose):
            self.assertIs(signalscope.flush(30), True)
        self.assertEqual(seen, [False, True])
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Trace.objects.count(), 1)
        self.assertEqual(Rollup.objects.get().call_count, 1)

    def test_decorated_functions(self):
        """Each call of a decorated function is a trace, also of a coroutine function."""

        @signalscope.trace("sync")
        def work():
            order_paid.send(sender=Order)

        @signalscope.trace("async")
        async def awork():
            await asyncio.sleep(0)
            order_paid.send(sender=Order)

        with connected(order_paid, queue_mail):
            work()
            work()
            asyncio.run(awork())
        signalscope.flush(30)
        found = Trace.objects.order_by("id").values_list("name", "dispatch_count")
        self.assertEqual(list(found), [("sync", 1), ("sync", 1), ("async", 1)])

    def test_suppressed_traces_are_not_there(self):
        """In suppress() neither a block nor a request nor a command is recorded."""
        from django.core.management import call_command

        with connected(order_paid, queue_mail), signalscope.suppress():
            with signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.client.get("/orders/")
            call_command("check", verbosity=0)
        signalscope.flush(30)
        self.assertFalse(Trace.objects.exists())
        self.assertFalse(Rollup.objects.exists())

    def test_models_made_by_migrations_are_not_counted(self):
        """class_prepared counts models of the project, not those that migrations make up."""
        from django.db import models

        if class_prepared.has_listeners():
            # By conditions that other tests use.
            uid = "signalscope.control.changed"
            self.enterContext(signalscope.disconnected(class_prepared, dispatch_uid=uid))
        for module in ("__fake__", "tests.shop.models"):
            type(
                f"Made{module.strip('_').title().replace('.', '')}",
                (models.Model,),
                {
                    "__module__": module,
                    "Meta": type("Meta", (), {"app_label": "shop", "apps": Apps()}),
                },
            )
        signalscope.flush(30)
        self.assertEqual(
            list(Rollup.objects.values_list("sender", "receiver")),
            [("shop.MadeTestsShopModels", "")],
        )

    def test_rollups_count_every_call(self):
        """Roll-ups have counts, errors, sum, longest, and a histogram that adds up."""
        with connected(order_paid, queue_mail, fail):
            for _ in range(50):
                with self.assertLogs("django.dispatch"):
                    order_paid.send_robust(sender=Order)
        signalscope.flush(30)
        calls = Rollup.objects.filter(receiver=f"{__name__}.queue_mail")
        self.assertEqual(sum(row.call_count for row in calls), 50)
        failed = Rollup.objects.filter(receiver=f"{__name__}.fail")
        self.assertEqual(sum(row.error_count for row in failed), 50)
        for row in [*calls, *failed]:
            self.assertEqual(sum(row.histogram[1:]), row.call_count)
            self.assertGreaterEqual(row.total_ns, row.max_ns)
            self.assertEqual((row.period_s, row.period_start.second), (60, 0))
            self.assertLessEqual(row.histogram[0] + len(row.histogram) - 2, len(BOUNDS_NS))

    def test_rows_that_go_in_by_insert(self):
        """Where there is no COPY, as with psycopg2, the same rows go in by INSERT."""
        with mock.patch("signalscope.sinks.database._has_copy", return_value=False):
            with connected(order_paid, send_receipt), signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Trace.objects.get().call_count, 1)
        self.assertEqual(ReceiverCall.objects.get().outcome, "ok")
        self.assertEqual(sum(Rollup.objects.get(receiver__gt="").histogram[1:]), 1)

    def test_rate_zero_stores_rollups_only(self):
        """SAMPLE_RATE decides about rows; roll-ups count all the same."""
        wiring.scope().recorder.keeping = Keeping(rate=0.0)
        with connected(order_paid, queue_mail), signalscope.trace("block"):
            order_paid.send(sender=Order)
        signalscope.flush(30)
        self.assertFalse(Trace.objects.exists())
        self.assertEqual(Rollup.objects.get().call_count, 1)

    def test_dispatch_outside_of_all_is_a_trace(self):
        """A dispatch outside of any trace has one of its own, named after the signal."""
        with connected(order_paid, queue_mail):
            order_paid.send(sender=Order)
        signalscope.flush(30)
        trace = Trace.objects.get()
        self.assertEqual((trace.trigger, trace.name), ("dispatch", "tests.shop.signals.order_paid"))

    def test_unheard_below_a_receiver_outside_of_all(self):
        """Outside of any trace, too, an unheard dispatch hangs below the receiver that sent it."""
        with connected(order_paid, send_receipt):
            order_paid.send(sender=Order)
        signalscope.flush(30)
        self.assertEqual(Trace.objects.get().dispatch_count, 2)
        self.assertIsNotNone(Dispatch.objects.get(signal__endswith="mail_queued").parent_call_id)

    def test_unheard_is_counted_per_sender(self):
        """Dispatches that nobody heard have a row without a receiver."""
        with signalscope.trace("block"):
            for _ in range(3):
                never_heard.send(sender=Order)
        signalscope.flush(30)
        row = Rollup.objects.get()
        self.assertEqual((row.sender, row.receiver, row.call_count), ("shop.Order", "", 3))

    def test_request_is_a_trace(self):
        """A request has a trace without any middleware: name, status, its dispatches."""
        self.client.raise_request_exception = False
        self.client.get("/orders/?secret=1")
        with self.assertLogs("django.request"):
            self.client.get("/broken/")
        signalscope.flush(30)
        first, second = Trace.objects.filter(trigger="request").order_by("id")
        self.assertEqual((first.name, first.status), ("GET /orders/", "ok"))
        self.assertEqual((second.name, second.status), ("GET /broken/", "error"))
        signals = set(first.dispatches.values_list("signal", flat=True))
        self.assertIn("tests.shop.signals.never_heard", signals)
        self.assertIn("django.core.signals.request_started", signals)

    async def test_async_request_is_a_trace(self):
        """Under ASGI, too, where the end is seen in another context than the beginning."""
        await self.async_client.get("/orders/async/")
        await self.async_client.get("/orders/async/")
        from asgiref.sync import sync_to_async

        await sync_to_async(signalscope.flush)(30)
        names = [trace.name async for trace in Trace.objects.filter(trigger="request")]
        self.assertEqual(names, ["GET /orders/async/"] * 2)

    def test_command_is_a_trace(self):
        """A management command has a trace; signalscope's own commands have none."""
        from django.core.management import call_command

        call_command("check", verbosity=0)
        signalscope.flush(30)
        self.assertEqual(list(Trace.objects.values_list("trigger", "name")), [("command", "check")])

    def test_abandoned_trace_is_unfinished(self):
        """A trace whose end is never seen is stored as unfinished."""
        import contextvars

        context = contextvars.copy_context()
        context.run(wiring.scope().recorder.open_trace, "request", "GET /gone/")
        del context
        gc.collect()
        signalscope.flush(30)
        self.assertEqual(Trace.objects.get().status, "unfinished")

    def test_long_trace_is_taken_in_parts(self):
        """A trace of 10,000 dispatches is counted while it is open, and stored folded."""
        with connected(order_paid, queue_mail):
            with signalscope.trace("long"):
                for _ in range(10_000):
                    order_paid.send(sender=Order)
                self.assertIs(signalscope.flush(30), True)
                count = sum(Rollup.objects.values_list("call_count", flat=True))
                self.assertEqual(count, 10_000)
        signalscope.flush(30)
        self.assertEqual(Trace.objects.get().dispatch_count, 10_000)
        self.assertEqual(Dispatch.objects.get().repeat_count, 10_000)
        self.assertEqual(sum(Rollup.objects.values_list("call_count", flat=True)), 10_000)

    def test_survives_the_hosts_rollback(self):
        """A record has its own connection: the project's rollback does not take it."""
        from django.db import transaction

        with connected(order_paid, queue_mail):
            try:
                with transaction.atomic(), signalscope.trace("block"):
                    order_paid.send(sender=Order)
                    raise KeyError
            except KeyError:
                pass
        signalscope.flush(30)
        self.assertEqual(Trace.objects.get().name, "block")

    def test_hostile_names_are_stored(self):
        """NUL, lone surrogates, emoji and very long names reach every database."""
        name = "\0\ud800🎉" + "x" * 1000
        with connected(order_paid, queue_mail), signalscope.trace(name):
            order_paid.send(sender=type("Ü" * 300, (), {"__module__": "m"}))
        self.assertIs(signalscope.flush(30), True)
        trace = Trace.objects.get()
        self.assertEqual(len(trace.name), 254)
        self.assertTrue(trace.name.startswith("?🎉x"))
        self.assertEqual(len(Dispatch.objects.get().sender), 255)

    def test_writing_is_not_recorded(self):
        """The writer's own work leaves no trace."""
        with connected(order_paid, queue_mail), signalscope.trace("block"):
            order_paid.send(sender=Order)
        for _ in range(3):
            signalscope.flush(30)
        self.assertEqual(Trace.objects.count(), 1)

    def test_hosts_connection_sees_nothing(self):
        """No query, hook or wrapper on the connection of the project."""
        with self.assertNumQueries(0), connected(order_paid, queue_mail):
            with signalscope.trace("block"):
                order_paid.send(sender=Order)
            signalscope.flush(30)
        self.assertEqual(connection.run_on_commit, [])


class TroubleTests(StoreTestCase):
    """A database in trouble never disturbs the project."""

    def test_missing_tables_are_said_once_and_recovered_from(self):
        """Not migrated: one warning, nothing raised; once the tables are there, all arrives."""
        with connection.schema_editor() as editor:
            for model in (ReceiverCall, Dispatch, Trace):
                editor.delete_model(model)
        try:
            with connected(order_paid, queue_mail):
                with self.assertLogs("signalscope", "WARNING") as logs:
                    with signalscope.trace("block"):
                        order_paid.send(sender=Order)
                    self.assertIs(signalscope.flush(30), False)
                    self.assertIs(signalscope.flush(30), False)
            self.assertEqual(len(logs.output), 1)
            self.assertIn("migrate signalscope", logs.output[0])
        finally:
            with connection.schema_editor() as editor:
                for model in (Trace, Dispatch, ReceiverCall):
                    editor.create_model(model)
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Trace.objects.get().name, "block")
        self.assertEqual(Rollup.objects.get().call_count, 1)

    def test_full_buffer_counts_rollups_and_says_what_is_lost(self):
        """What does not fit is counted as lost; roll-ups still see every dispatch."""
        wiring.scope().buffer.max_bytes = 1
        with connected(order_paid, queue_mail):
            for _ in range(3):
                with signalscope.trace("block"):
                    order_paid.send(sender=Order)
        signalscope.flush(30)
        self.assertFalse(Trace.objects.exists())
        self.assertEqual(Rollup.objects.get().call_count, 3)
        loss = Loss.objects.get()
        self.assertEqual((loss.trace_count, loss.dispatch_count, loss.call_count), (3, 3, 0))

    def test_calls_without_room_for_a_tally_are_counted(self):
        """Calls whose roll-up finds no room are lost one by one, not one per name."""
        rollups = wiring.scope().recorder.rollups
        room, rollups._max_tallies = rollups._max_tallies, 1
        self.addCleanup(setattr, rollups, "_max_tallies", room)
        with connected(order_paid, queue_mail), connected(mail_queued, queue_mail):
            for _ in range(50):
                order_paid.send(sender=Order)
                mail_queued.send(sender=Order)
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Rollup.objects.get().call_count, 50)
        self.assertEqual(Loss.objects.get().call_count, 50)

    def test_flush_inside_a_receiver_does_not_hang(self):
        """A receiver may flush: the dispatch in progress is stored with the next one."""

        def flushing(sender, **kwargs):
            self.assertIs(signalscope.flush(30), True)

        with connected(order_paid, flushing), signalscope.trace("block"):
            order_paid.send(sender=Order)
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Trace.objects.get().call_count, 1)

    def test_colliding_keys_are_made_anew(self):
        """Two processes that chose the same keys: the batch goes again with others."""
        now = datetime.now(UTC)

        def batch(name):
            return Batch(traces=[TraceRow("block", name, "ok", "sample", "", now, 1, Tree(1))])

        first, second = DatabaseSink("default"), DatabaseSink("default")
        try:
            first.write(batch("first"))
            taken = Trace.objects.get().pk

            class Colliding(Keys):
                turns = 0

                def turn(self):
                    self.turns += 1
                    self._last = taken - 1 if self.turns == 1 else taken + 100

            second._keys = Colliding()
            second.write(batch("second"))
        finally:
            first.close()
            second.close()
        self.assertEqual(set(Trace.objects.values_list("name", flat=True)), {"first", "second"})

    def test_hosts_pool_is_left_alone(self):
        """Where the project pools its connections, the writer's own is not one of them."""
        options = connections.settings["default"]["OPTIONS"]
        sink = DatabaseSink("default")
        # Django would ask for psycopg_pool here; other engines know no such option.
        with mock.patch.dict(options, pool=True):
            sink.write(Batch(loss=LossRow("here", 1, 2, 3, 0, 0)))
            sink.close()
            self.assertIs(options["pool"], True)
        self.assertEqual(Loss.objects.get().call_count, 3)

    def test_test_run_stores_nothing_unless_asked(self):
        """Without STORE_IN_TESTS nothing is written in a test run, and flush() says so."""
        with override_settings(SIGNALSCOPE={}):
            with connected(order_paid, queue_mail), signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.assertIs(signalscope.flush(30), False)
        self.assertFalse(Trace.objects.exists())

    def test_no_thread_is_left_in_a_test_run(self):
        """A writer that was stopped has no thread and no connection."""
        self.assertIs(signalscope.flush(30), True)
        self.writer.stop()
        names = [thread.name for thread in threading.enumerate()]
        self.assertNotIn("signalscope-writer", names)
        self.assertEqual([c.alias for c in connections.all(initialized_only=True)], ["default"])
