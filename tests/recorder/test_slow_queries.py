"""Statements that take long: recorded with their call, told to the project, and nothing else."""

import asyncio
import time
from unittest import skipUnless

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection, connections
from django.test import TestCase, override_settings

import signalscope
from signalscope import wiring
from signalscope.models import SlowQuery, Trace
from signalscope.signals import slow_query
from tests.recorder.test_keeping import hear, settings
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase
from tests.trees import connected, label, recorded

# In ms. Every statement takes longer than the one, none as long as the other.
TINY, HUGE = 0.0001, 1e9


def count_orders(sender, **kwargs):
    """Run a statement."""
    Order.objects.count()


def first_order(sender, **kwargs):
    """Run another one, before and after a signal."""
    Order.objects.first()
    mail_queued.send(sender=sender)
    Order.objects.last()


async def acount_orders(sender, **kwargs):
    """Run a statement, in another thread."""
    await Order.objects.acount()
    await sync_to_async(connections.close_all)()


async def await_nothing(sender, **kwargs):
    """Let others run."""
    await asyncio.sleep(0)


class ConnectedTestCase(StoreTestCase):
    """Is connected: what a driver asks as it connects is not among what a test counts."""

    def setUp(self):
        super().setUp()
        connection.ensure_connection()


class SlowQueryTests(ConnectedTestCase):
    """What is recorded of them."""

    def rows(self):
        """Store what was recorded; return it, oldest first."""
        self.assertTrue(signalscope.flush(30))
        with override_settings(SIGNALSCOPE={"SLOW_QUERY_MS": None}):
            return list(SlowQuery.objects.order_by("pk"))

    def receivers(self):
        """Return signal and receiver of each, by the last part of their names."""
        return [
            (row.signal.rpartition(".")[2], row.receiver.rpartition(".")[2]) for row in self.rows()
        ]

    def test_with_trace_and_call(self):
        """A trace that would not be kept is, for its slow query."""
        with settings(SLOW_QUERY_MS=TINY), connected(order_paid, hear, count_orders):
            with signalscope.trace("import"):
                order_paid.send(sender=Order)
            (row,) = self.rows()
        trace = Trace.objects.get()
        self.assertEqual((trace.name, trace.kept_because), ("import", "slow query"))
        self.assertEqual(row.trace_key, trace.pk)
        self.assertEqual(row.signal, "tests.shop.signals.order_paid")
        self.assertEqual((row.sender, row.receiver), ("shop.Order", label(count_orders)))
        self.assertEqual(row.using, "default")
        self.assertTrue(row.sql.startswith("SELECT COUNT(*)"), row.sql)
        self.assertGreater(row.duration_ns, 0)

    def test_nested_calls(self):
        """A statement belongs to the innermost call that was running."""
        with settings(SLOW_QUERY_MS=TINY):
            with connected(order_paid, hear, first_order), connected(mail_queued, count_orders):
                Order.objects.exists()
                order_paid.send(sender=Order)
            outer, inner = ("order_paid", "first_order"), ("mail_queued", "count_orders")
            self.assertEqual(self.receivers(), [("", ""), outer, inner, outer])

    def test_async_receivers(self):
        """Those of asend() and of send(), also where sync ones stand before them."""
        with settings(SLOW_QUERY_MS=TINY):
            with connected(order_paid, await_nothing, hear, acount_orders):
                asyncio.run(order_paid.asend(sender=Order))
                order_paid.send(sender=Order)
            self.assertEqual(self.receivers(), [("order_paid", "acount_orders")] * 2)

    def test_outside_of_everything(self):
        """Without trace and receiver there is still the statement."""
        with settings(SLOW_QUERY_MS=TINY):
            Order.objects.count()
            (row,) = self.rows()
        self.assertEqual((row.trace_key, row.signal, row.sender, row.receiver), (None, "", "", ""))

    def test_no_parameters(self):
        """Values stay out of it."""
        with settings(SLOW_QUERY_MS=TINY):
            Order.objects.filter(number="very private").first()
            Order.objects.bulk_create([Order(number="as private")])
            rows = self.rows()
        self.assertIn("SELECT", rows[0].sql)
        self.assertNotIn("private", "".join(row.sql for row in rows))

    @skipUnless(connection.vendor == "postgresql", "psycopg composes statements")
    def test_composed_statements(self):
        """A statement that may hold values tells no more than what it is."""
        from psycopg import sql

        with settings(SLOW_QUERY_MS=TINY), connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT {}").format(sql.Literal("very private")))
            (row,) = self.rows()
        self.assertEqual(row.sql, "Composed")

    def test_long_statements(self):
        """Are cut before they wait for the database; who is told gets all of them."""
        told = []

        def hear_query(sender, sql, **kwargs):
            told.append(len(sql))

        statement = f"SELECT '{'x' * 1_000_000}'"
        with settings(SLOW_QUERY_MS=TINY), connected(slow_query, hear_query):
            with connection.cursor() as cursor:
                cursor.execute(statement)
            (waiting,) = wiring.scope().recorder.slow_queries._notes
            self.assertEqual(len(waiting.sql), 10_001)
            (row,) = self.rows()
        self.assertEqual((len(row.sql), row.sql[-1], told), (10_000, "…", [len(statement)]))

    def test_what_is_fast_enough(self):
        """Below the limit nothing is recorded."""
        with settings(SLOW_QUERY_MS=HUGE), connected(order_paid, count_orders):
            order_paid.send(sender=Order)
            self.assertEqual(self.rows(), [])

    def test_a_statement_that_sleeps(self):
        """One that takes its time in the database is above a limit of 100 ms."""
        statement = "SELECT slow_down(0.2)"
        if connection.vendor == "sqlite":
            connection.connection.create_function("slow_down", 1, time.sleep)
        else:
            sleep = {"postgresql": "pg_sleep", "mysql": "SLEEP"}[connection.vendor]
            statement = statement.replace("slow_down", sleep)
        with settings(SLOW_QUERY_MS=100):
            with connection.cursor() as cursor:
                cursor.execute(statement)
            self.assertIn(statement, [row.sql for row in self.rows()])

    def test_one_that_fails(self):
        """The error goes where it went, and the statement is recorded."""
        with settings(SLOW_QUERY_MS=TINY):
            with self.assertRaises(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")
            (row,) = self.rows()
        self.assertEqual(row.sql, "SELECT nothing FROM nowhere")

    def test_suppressed(self):
        """What a project does not want recorded is not."""
        with settings(SLOW_QUERY_MS=TINY):
            with signalscope.suppress():
                Order.objects.count()
            self.assertEqual(self.rows(), [])

    def test_the_writers_own(self):
        """The statements that store all this are not among them."""
        with settings(SLOW_QUERY_MS=TINY, SAMPLE_RATE=1.0), connected(order_paid, hear):
            with signalscope.trace("import"):
                order_paid.send(sender=Order)
            self.assertEqual(self.rows(), [])
            self.assertEqual(self.rows(), [])


class SignalTests(ConnectedTestCase):
    """The signal that tells the project of one."""

    def test_arguments(self):
        """Connection, statement, duration, and the key of the trace."""
        told = []

        def collect(sender, **kwargs):
            told.append((sender, kwargs))

        with settings(SLOW_QUERY_MS=TINY), connected(slow_query, collect):
            with signalscope.trace("import"):
                Order.objects.count()
            self.assertTrue(signalscope.flush(30))
        ((sender, named),) = told
        self.assertIs(sender, type(connections["default"]))
        self.assertIs(named["connection"], connections["default"])
        self.assertTrue(named["sql"].startswith("SELECT COUNT(*)"))
        self.assertGreater(named["duration_ns"], 0)
        self.assertEqual(named["trace_key"], Trace.objects.get().pk)

    def test_a_receiver_with_slow_queries(self):
        """They are recorded, and not sent again; the next one of the project is."""
        told = []

        def look(sender, **kwargs):
            told.append(kwargs["sql"])
            Order.objects.exists()

        with settings(SLOW_QUERY_MS=TINY), connected(slow_query, look):
            Order.objects.count()
            Order.objects.count()
            self.assertTrue(signalscope.flush(30))
        self.assertEqual(len(told), 2)
        self.assertEqual(SlowQuery.objects.count(), 4)

    def test_a_receiver_that_fails(self):
        """The statement's answer is as it was; Django logs the error."""

        def fail(sender, **kwargs):
            raise ValueError("no")

        with settings(SLOW_QUERY_MS=TINY), connected(slow_query, fail):
            with self.assertLogs("django.dispatch", "ERROR"):
                self.assertEqual(Order.objects.count(), 0)

    def test_it_is_not_recorded(self):
        """What its receivers send is, in its place."""

        def send(sender, **kwargs):
            mail_queued.send(sender=Order)

        with settings(SLOW_QUERY_MS=TINY), connected(slow_query, send):
            with connected(order_paid, count_orders), connected(mail_queued, hear):
                with recorded() as seen:
                    order_paid.send(sender=Order)
        self.assertEqual(
            seen.text, "order_paid\n  count_orders ok\n    mail_queued\n      hear ok\n"
        )


class WrapperTests(TestCase):
    """What stands in the execute wrappers of the project's connections, and when."""

    def test_it_comes_and_goes_with_the_setting(self):
        """For SQL of calls and for slow queries it is one and the same."""
        watcher = wiring.scope().query_watcher
        for given, expected in (
            ({}, []),
            ({"SLOW_QUERY_MS": 100}, [watcher]),
            ({"CAPTURE_SQL": True}, [watcher]),
            ({"CAPTURE_SQL": True, "SLOW_QUERY_MS": 100}, [watcher]),
            ({"SLOW_QUERY_MS": None}, []),
        ):
            with self.subTest(given), override_settings(SIGNALSCOPE=given):
                self.assertEqual(connection.execute_wrappers, expected)
        self.assertEqual(connection.execute_wrappers, [])

    def test_uninstalled(self):
        """Then nothing is there, until it is installed again."""
        with override_settings(SIGNALSCOPE={"SLOW_QUERY_MS": 100}):
            signalscope.uninstall()
            try:
                self.assertEqual(connection.execute_wrappers, [])
            finally:
                signalscope.install()
            self.assertEqual(len(connection.execute_wrappers), 1)

    def test_queries_are_counted_as_before(self):
        """No statement is added."""
        with override_settings(SIGNALSCOPE={"SLOW_QUERY_MS": TINY}), self.assertNumQueries(1):
            Order.objects.count()

    def test_together_with_captured_sql(self):
        """What a receiver of slow_query runs comes behind the statement it is told of."""

        def look(sender, **kwargs):
            Order.objects.exists()

        given = {"SLOW_QUERY_MS": TINY, "CAPTURE_SQL": True}
        with override_settings(SIGNALSCOPE=given), connected(slow_query, look):
            with connected(order_paid, count_orders), recorded() as seen:
                order_paid.send(sender=Order)
        statements = [item[1] for item in seen.tap[0] if type(item) is tuple]
        self.assertEqual(len(statements), 2)
        self.assertTrue(statements[0].startswith("SELECT COUNT(*)"))
        self.assertEqual(seen.dispatches()[0].calls[0].query_count, 2)


class ConnectionTests(StoreTestCase):
    """Connections that are made while the setting is on."""

    def test_made_within_a_wrapper_of_the_project(self):
        """The project's own wrapper is the one that is taken away at its end."""

        def run(execute, sql, params, many, context):
            return execute(sql, params, many, context)

        connection.close()
        with settings(SLOW_QUERY_MS=HUGE):
            connection.execute_wrappers.clear()
            with connection.execute_wrapper(run):
                Order.objects.count()
            self.assertEqual(connection.execute_wrappers, [wiring.scope().query_watcher])
        self.assertEqual(connection.execute_wrappers, [])
