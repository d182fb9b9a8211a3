"""Which traces are stored as rows, and why."""

import asyncio
import os
import time
import warnings
from contextlib import contextmanager
from unittest import mock

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError
from django.dispatch import Signal
from django.test import RequestFactory, SimpleTestCase, override_settings

import signalscope
from signalscope import wiring
from signalscope.core import faults
from signalscope.core.correlation import CorrelationHeader
from signalscope.models import Loss, Rollup, Trace
from signalscope.recorder import keeping, strands
from signalscope.recorder.keeping import Allowance, Keeping, fits, place
from signalscope.recorder.recorder import SPILL_LENGTH
from signalscope.recorder.requests import RequestOrigin
from signalscope.recorder.rollups import OTHER
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase, connected

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def hear(sender, **kwargs):
    """Do nothing."""


def fail(sender, **kwargs):
    """Fail."""
    raise ValueError("no")


async def afail(sender, **kwargs):
    """Fail, asynchronously."""
    raise ValueError("no")


def linger(sender, **kwargs):
    """Take 20 ms."""
    time.sleep(0.02)


async def alinger(sender, **kwargs):
    """Take 20 ms, asynchronously."""
    await asyncio.sleep(0.02)


def pass_on(sender, **kwargs):
    """Send another signal."""
    mail_queued.send(sender=sender)


@contextmanager
def settings(**values):
    """Set that only what is of interest is kept, and forget that this sent a signal."""
    given = {"STORE_IN_TESTS": True, "SAMPLE_RATE": 0.0, "FLUSH_INTERVAL_S": 3600, **values}
    with override_settings(SIGNALSCOPE=given):
        strands.LOOSE.clear()
        yield


def reasons():
    """Return what was stored: (name, reason) of each trace."""
    assert signalscope.flush(30)
    return sorted(Trace.objects.values_list("name", "kept_because"))


def in_child(function):
    """Return the bytes that a function returns in a forked child."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns where other threads run.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        os.write(writer, function())
        os._exit(0)
    os.close(writer)
    found = os.read(reader, 1024)
    os.close(reader)
    os.waitpid(child, 0)
    return found


class ReasonTests(StoreTestCase):
    """What is kept although it is not in the share."""

    def test_nothing_happened(self):
        """A trace in which nothing happened is counted only."""
        with settings(), connected(order_paid, hear), signalscope.trace("quiet"):
            order_paid.send(sender=Order)
            self.assertEqual(reasons(), [])
        self.assertEqual(Rollup.objects.get().call_count, 1)

    def test_failed_calls(self):
        """A call that failed keeps its trace, wherever it is in it."""
        with settings():
            with connected(order_paid, fail), signalscope.trace("robust"):
                with self.assertLogs("django.dispatch"):
                    order_paid.send_robust(sender=Order)
            with connected(order_paid, pass_on), connected(mail_queued, fail):
                with signalscope.trace("nested"), self.assertLogs("django.dispatch"):
                    order_paid.send_robust(sender=Order)
            with connected(order_paid, afail), signalscope.trace("async"):
                with self.assertLogs("django.dispatch"):
                    order_paid.send_robust(sender=Order)
            with connected(order_paid, fail), self.assertRaises(ValueError):
                order_paid.send(sender=Order)
            self.assertEqual(
                reasons(),
                [(name, "error") for name in ("async", "nested", "robust", ORDER_PAID)],
            )
        self.assertEqual({trace.status for trace in Trace.objects.all()}, {"error"})

    def test_failed_trace(self):
        """A trace that ended with an error is kept though all its calls went well."""
        with settings(), connected(order_paid, hear):
            with self.assertRaises(KeyError), signalscope.trace("block"):
                order_paid.send(sender=Order)
                raise KeyError
            self.assertEqual(reasons(), [("block", "error")])

    def test_errors_are_not_kept_where_nobody_wants_them(self):
        """KEEP_ERRORS switches that off."""
        with settings(KEEP_ERRORS=False), connected(order_paid, fail):
            with self.assertRaises(ValueError), signalscope.trace("block"):
                order_paid.send(sender=Order)
            with self.assertRaises(ValueError):
                order_paid.send(sender=Order)
            self.assertEqual(reasons(), [])

    def test_slow_calls(self):
        """A call that took SLOW_MS keeps its trace, sync, async, nested, and outside of any."""
        with settings(SLOW_MS=10):
            with connected(order_paid, linger), signalscope.trace("sync"):
                order_paid.send(sender=Order)
            with connected(order_paid, alinger), signalscope.trace("async"):
                order_paid.send(sender=Order)
            with connected(order_paid, pass_on), connected(mail_queued, linger):
                with signalscope.trace("nested"):
                    order_paid.send(sender=Order)
                order_paid.send(sender=Order)
            self.assertEqual(
                reasons(),
                [(name, "slow call") for name in ("async", "nested", "sync", ORDER_PAID)],
            )

    def test_slow_trace(self):
        """A trace that took SLOW_TRACE_MS is kept though no call was slow."""
        with settings(SLOW_MS=10, SLOW_TRACE_MS=10), connected(order_paid, hear):
            with signalscope.trace("block"):
                order_paid.send(sender=Order)
                time.sleep(0.02)
            self.assertEqual(reasons(), [("block", "slow trace")])

    def test_none_is_no_limit(self):
        """None keeps nothing for being slow."""
        with settings(SLOW_MS=None, SLOW_TRACE_MS=None), connected(order_paid, linger):
            with signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.assertEqual(reasons(), [])

    def test_names(self):
        """KEEP names paths, blocks and signals."""
        with settings(KEEP=["night*", "/checkout/*", "mail_queued"]):
            with connected(order_paid, hear), connected(mail_queued, hear):
                with signalscope.trace("nightly"):
                    order_paid.send(sender=Order)
                with signalscope.trace("daily"):
                    order_paid.send(sender=Order)
                with signalscope.trace("hourly"):
                    mail_queued.send(sender=Order)
                mail_queued.send(sender=Order)
                for path in ("/checkout/pay/", "/other/"):
                    get(path, order_paid)
            self.assertEqual(
                reasons(),
                [
                    ("GET /checkout/pay/", "match"),
                    ("hourly", "match"),
                    ("nightly", "match"),
                    (MAIL_QUEUED, "match"),
                ],
            )

    def test_long_trace(self):
        """Of a long trace the first dispatches are kept, and those that were the reason."""
        with settings(MAX_TRACE_DISPATCHES=50):
            with signalscope.trace("long"), connected(order_paid, hear):
                for _ in range(3 * SPILL_LENGTH):
                    order_paid.send(sender=Order)
                with connected(mail_queued, fail), self.assertLogs("django.dispatch"):
                    mail_queued.send_robust(sender=Order)
                for _ in range(3 * SPILL_LENGTH):
                    order_paid.send(sender=Order)
            self.assertEqual(reasons(), [("long", "error")])
        trace = Trace.objects.get()
        self.assertEqual(trace.dispatch_count, 6 * SPILL_LENGTH + 1)
        shown = {row.signal: row.repeat_count for row in trace.dispatches.all()}
        self.assertEqual(shown[MAIL_QUEUED], 1)
        self.assertGreater(shown[ORDER_PAID], SPILL_LENGTH)
        self.assertEqual(sum(shown.values()) + trace.left_out_count, trace.dispatch_count)
        calls = Rollup.objects.filter(signal=ORDER_PAID).values_list("call_count", flat=True)
        self.assertEqual(sum(calls), 6 * SPILL_LENGTH)

    def test_failure_in_a_long_call(self):
        """A failure that was folded, since the call went on for long, is a reason, too."""

        def long_call(sender, **kwargs):
            with self.assertLogs("django.dispatch"):
                for number in range(SPILL_LENGTH + 10):
                    sending = mail_queued if number == 3 else order_shipped
                    sending.send_robust(sender=Order)

        order_shipped = Signal()
        with settings(), connected(order_paid, long_call), connected(mail_queued, fail):
            with connected(order_shipped, hear), signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.assertEqual(reasons(), [("block", "error")])

    def test_failure_in_a_long_async_call(self):
        """So is one in the call of an async receiver."""

        async def long_call(sender, **kwargs):
            with self.assertLogs("django.dispatch"):
                for number in range(SPILL_LENGTH + 10):
                    sending = mail_queued if number == 3 else order_shipped
                    sending.send_robust(sender=Order)

        order_shipped = Signal()
        with settings(), connected(order_paid, long_call), connected(mail_queued, fail):
            with connected(order_shipped, hear), signalscope.trace("block"):
                order_paid.send(sender=Order)
            self.assertEqual(reasons(), [("block", "error")])

    def test_name_in_a_long_call(self):
        """A signal of KEEP that was folded is a reason, too."""

        def long_call(sender, **kwargs):
            for number in range(SPILL_LENGTH + 10):
                (mail_queued if number == 3 else order_shipped).send(sender=Order)

        order_shipped = Signal()
        with settings(KEEP=["mail_queued"]), connected(order_paid, long_call):
            with connected(order_shipped, hear), connected(mail_queued, hear):
                with signalscope.trace("block"):
                    order_paid.send(sender=Order)
            self.assertEqual(reasons(), [("block", "match")])

    def test_limit_per_minute(self):
        """Of each reason so many are kept in a minute; the rest is counted."""
        with settings(KEEP_PER_MINUTE=2, KEEP=["night*"]), connected(order_paid, fail):
            with mock.patch.object(keeping, "perf_counter_ns", return_value=0):
                for _ in range(5):
                    with self.assertRaises(ValueError), signalscope.trace("failing"):
                        order_paid.send(sender=Order)
                for _ in range(2):
                    with signalscope.trace("nightly"):
                        pass
                kept = reasons()
        self.assertEqual(kept, [("failing", "error")] * 2 + [("nightly", "match")] * 2)
        self.assertEqual([row.unkept_count for row in Loss.objects.all()], [3])

    def test_limit_and_a_fork(self):
        """What the parent has still to tell of is not the child's."""
        with settings(KEEP_PER_MINUTE=0), connected(order_paid, fail):
            writer = wiring.scope().writer
            with self.assertLogs("django.dispatch"), signalscope.trace("one"):
                order_paid.send_robust(sender=Order)
            with mock.patch.object(writer.sink, "write", side_effect=OperationalError("gone")):
                with self.assertLogs("signalscope"):
                    self.assertIs(signalscope.flush(30), False)
            self.assertEqual(writer.waiting.trace_rows.unkept_count, 1)
            found = in_child(lambda: bytes([writer.waiting.trace_rows.unkept_count]))
        self.assertEqual(found, bytes([0]))

    def test_sample_has_no_limit(self):
        """The share of all is kept whatever KEEP_PER_MINUTE is."""
        with settings(SAMPLE_RATE=1.0, KEEP_PER_MINUTE=0):
            for _ in range(3):
                with signalscope.trace("block"):
                    pass
            self.assertEqual(reasons(), [("block", "sample")] * 3)
        self.assertFalse(Loss.objects.exists())

    def test_next_minute(self):
        """The allowance begins anew with each minute."""
        allowance = Allowance(1)
        with mock.patch.object(keeping, "perf_counter_ns") as clock:
            clock.return_value = 0
            self.assertEqual([allowance.take("error") for _ in range(2)], [True, False])
            clock.return_value = 60 * 10**9
            self.assertIs(allowance.take("error"), True)


class RateTests(StoreTestCase):
    """The share of all."""

    def test_rates_by_trigger_and_glob(self):
        """The first rate that fits wins over SAMPLE_RATE."""
        rates = {"request:/health*": 0, "request": 1, "block:night*": 1, "dispatch:mail*": 1}
        with settings(SAMPLE_RATES=rates), connected(order_paid, hear):
            for path in ("/health/live/", "/shop/"):
                get(path, order_paid)
            for name in ("nightly", "daily"):
                with signalscope.trace(name):
                    order_paid.send(sender=Order)
            order_paid.send(sender=Order)
            with connected(mail_queued, hear):
                mail_queued.send(sender=Order)
            self.assertEqual(
                reasons(),
                [("GET /shop/", "sample"), ("nightly", "sample"), (MAIL_QUEUED, "sample")],
            )

    def test_rate_is_a_share(self):
        """About so many are kept as the rate says, of ids as of others."""
        for rate in (0.1, 0.5):
            decisions = Keeping(rate=rate)
            for name in ("", "id"):
                kept = sum(
                    decisions.is_sampled(
                        keeping.Trace("block", "x", f"{name}{number}" if name else "")
                    )
                    for number in range(20_000)
                )
                # Six standard deviations.
                self.assertAlmostEqual(kept / 20_000, rate, delta=6 * (0.25 / 20_000) ** 0.5)

    def test_forked_workers_choose_apart(self):
        """The children of one process do not all choose the same traces."""

        def choose():
            kept = [Keeping(rate=0.5).is_sampled(keeping.Trace("block")) for _ in range(64)]
            return bytes(kept)

        self.assertNotEqual(in_child(choose), in_child(choose))

    def test_id_decides_alike_everywhere(self):
        """The place of an id is the same in every process, and with every version."""
        self.assertAlmostEqual(place(TRACE_ID), PLACE, places=12)
        for rate in (0.0, 0.2, 0.5, 0.9, 1.0):
            trace = keeping.Trace("request", "GET /", TRACE_ID)
            self.assertIs(Keeping(rate=rate).is_sampled(trace), rate > PLACE)


class CorrelationTests(StoreTestCase):
    """What ties the traces of one distributed request together."""

    def test_request_and_block_have_the_id(self):
        """The trace id of a traceparent is stored, also with a block inside the request."""
        with settings(SAMPLE_RATE=1.0), connected(order_paid, nightly):
            get("/", order_paid, HTTP_TRACEPARENT=PARENT)
            self.assertEqual(len(reasons()), 2)
        self.assertEqual({trace.correlation_id for trace in Trace.objects.all()}, {TRACE_ID})

    def test_other_headers(self):
        """The first of CORRELATION_HEADERS that is there counts; what is none does not."""
        headers = [CorrelationHeader("traceparent"), CorrelationHeader("X-Request-ID")]
        for sent, expected in (
            ({"HTTP_X_REQUEST_ID": "abc"}, "abc"),
            ({"HTTP_X_REQUEST_ID": "abc", "HTTP_TRACEPARENT": PARENT}, TRACE_ID),
            ({"HTTP_X_REQUEST_ID": "abc", "HTTP_TRACEPARENT": "00-x"}, "abc"),
            ({"HTTP_TRACEPARENT": PARENT.replace(TRACE_ID, "0" * 32)}, ""),
            ({"HTTP_X_REQUEST_ID": "x" * 1000}, "x" * 100),
            ({"HTTP_X_REQUEST_ID": "a\x1b[31mb"}, ""),
            ({"HTTP_X_REQUEST_ID": 5}, ""),
            ({}, ""),
        ):
            origin = RequestOrigin({"environ": {"REQUEST_METHOD": "GET", **sent}}, headers)
            self.assertEqual(origin.correlation_id(), expected, sent)

    def test_asgi(self):
        """An ASGI request has name and id, too."""

        async def serve():
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/nowhere/",
                "headers": [(b"accept", b"*/*"), (b"traceparent", PARENT.encode())],
            }

            messages = [{"type": "http.request"}]

            async def receive():
                if not messages:
                    await asyncio.sleep(30)
                return messages.pop()

            async def send(message):
                pass

            await asyncio.wait_for(ASGIHandler()(scope, receive, send), 30)

        with settings(SAMPLE_RATE=1.0):
            asyncio.run(serve())
            self.assertEqual(reasons(), [("GET /nowhere/", "sample")])
        self.assertEqual(Trace.objects.get().correlation_id, TRACE_ID)

    def test_headers_of_another_kind(self):
        """What no server sends is no id, and nothing of it reaches the project."""
        headers = [CorrelationHeader("X-Request-ID")]
        for value, found in ((b"abc", "abc"), ("abc", "abc"), (7, "")):
            scope = {"headers": [(b"x-request-id", value)]}
            origin = RequestOrigin({"scope": scope}, headers)
            self.assertEqual(origin.correlation_id(), found)

    def test_faults_in_a_block(self):
        """A fault of signalscope's as a block begins or ends is noted, and that is all."""
        recorder = wiring.scope().recorder
        close_trace = recorder.close_trace

        def fail_to_open(*args):
            raise ZeroDivisionError

        def fail_to_close(trace):
            close_trace(trace)
            raise ZeroDivisionError

        for name, broken in (("open_trace", fail_to_open), ("close_trace", fail_to_close)):
            faults.caught.clear()
            with mock.patch.object(recorder, name, broken), settings():
                with signalscope.trace("block"):
                    pass
            self.assertIsInstance(faults.caught[0], ZeroDivisionError)
        faults.caught.clear()

    def test_request_is_let_go(self):
        """A kept trace does not hold the request's environ."""
        with settings(SAMPLE_RATE=1.0):
            opened = signalscope.wiring.scope().recorder.open_trace(
                "request", origin=RequestOrigin({"environ": {"PATH_INFO": "/a"}}, ())
            )
            signalscope.wiring.scope().recorder.close_trace(opened)
            self.assertIsNone(opened.origin)
            self.assertEqual(reasons(), [("? /a", "sample")])


class NameTests(StoreTestCase):
    """Names that nobody bounds."""

    def test_objects_as_senders_share_a_name(self):
        """Strings and objects as senders are counted under their type."""
        with settings(), connected(order_paid, hear):
            for number in range(500):
                order_paid.send(sender=f"order {number}")
            reasons()
        self.assertEqual(Rollup.objects.get().sender, "builtins.str")
        self.assertEqual(Rollup.objects.get().call_count, 500)

    def test_too_many_names_are_grouped_and_counted(self):
        """Beyond MAX_KEYS calls are counted under a shared name, and said to be."""
        wiring_rollups = signalscope.wiring.scope().recorder.rollups
        wiring_rollups._names.clear()
        self.addCleanup(wiring_rollups._names.clear)
        with settings(MAX_KEYS=10), connected(order_paid, hear):
            for number in range(100):
                order_paid.send(sender=type(f"Sender{number}", (), {}))
            reasons()
        rows = Rollup.objects.all()
        self.assertEqual(sum(row.call_count for row in rows), 100)
        self.assertEqual(len({row.sender for row in rows}), 11)
        grouped = sum(row.call_count for row in rows if row.sender == OTHER)
        self.assertEqual(grouped, 90)
        self.assertEqual(sum(row.grouped_count for row in Loss.objects.all()), 90)

    def test_signals_without_end_share_one_name(self):
        """When even the shared names are too many, a single one is left."""
        rollups = signalscope.wiring.scope().recorder.rollups
        rollups._names.clear()
        self.addCleanup(rollups._names.clear)
        with settings(MAX_KEYS=2):
            names = {rollups._known((f"signal{n}", "sender", "receiver")) for n in range(50)}
            unheard = rollups._known(("another", "sender", ""))
        self.assertEqual(len(names), 2 + 2 + 1)
        self.assertIn((OTHER, OTHER, OTHER), names)
        self.assertEqual(unheard, (OTHER, OTHER, ""))


class GlobTests(SimpleTestCase):
    """Globs over names of traces."""

    def test_path_or_whole_name(self):
        """A glob matches the path, or method and path."""
        self.assertTrue(fits(["/a/*"], "GET /a/b"))
        self.assertTrue(fits(["POST *"], "POST /a"))
        self.assertTrue(fits(["import*"], "import_stock"))
        self.assertFalse(fits(["/a"], "GET /a/b"))
        self.assertFalse(fits(["*x"], "GET /a"))


def nightly(sender, **kwargs):
    """Open a block in a request."""
    with signalscope.trace("inner"):
        mail_queued.send(sender=sender)


def get(path, signal, **headers):
    """Run a request through Django's handler; its start sends a signal."""

    def started(sender, **kwargs):
        signal.send(sender=Order)

    from django.core.signals import request_started

    environ = RequestFactory()._base_environ(PATH_INFO=path, REQUEST_METHOD="GET", **headers)
    with connected(request_started, started):
        response = WSGIHandler()(environ, lambda status, headers: None)
        response.close()


ORDER_PAID = "tests.shop.signals.order_paid"
MAIL_QUEUED = "tests.shop.signals.mail_queued"
PLACE = 0.15039768000230236
