"""What --signal-report counts and writes, in this process."""

import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import skipUnless

from django.test import SimpleTestCase

from signalscope import is_installed, mute, wiring
from signalscope.testing.signal_report import MAX_KEYS, MAX_NEVER_RUN, SignalReport
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected

ROOT = Path(__file__).resolve().parent.parent.parent


def hear(sender, **kwargs):
    """Hear."""


def fail(sender, **kwargs):
    """Fail."""
    raise ValueError("on purpose")


def never(sender, **kwargs):
    """Stand there."""


async def ahear(sender, **kwargs):
    """Hear, awaited."""


def written(report):
    """Return the lines of a report."""
    lines = []
    writer = SimpleNamespace(section=lambda title: None, write_line=lines.append)
    report.pytest_terminal_summary(writer)
    return lines


@skipUnless(is_installed(), "nothing is recorded in this run")
class SignalReportTests(SimpleTestCase):
    """A run of pytest, as far as the report is told of it."""

    def setUp(self):
        self.config = SimpleNamespace(rootpath=ROOT)
        self.watchers = list(wiring.scope().planner.watchers)

    def tearDown(self):
        self.assertEqual(wiring.scope().planner.watchers, self.watchers)

    @contextmanager
    def run_of(self, config):
        """Let a block be a run of tests; give its report."""
        report = SignalReport(config)
        report.pytest_collection_finish(None)
        with (
            connected(order_paid, hear, fail, ahear),
            connected(mail_queued, hear),
            connected(mail_queued, never, sender=Order),
        ):
            yield report
            report.pytest_sessionfinish(None)

    def test_counted(self):
        """Calls of all signals are added up, failed ones as well; muted ones are none."""
        with self.run_of(self.config) as report:
            with self.assertLogs("django.dispatch", "ERROR"):
                order_paid.send_robust(sender=Order)
                order_paid.send_robust(sender=None)
            mail_queued.send(sender=None)
            with mute(signal=mail_queued):
                mail_queued.send(sender=Order)
        lines = written(report)
        table = {words[0]: int(words[1]) for line in lines[2:6] if len(words := line.split()) > 3}
        name = "tests.testing.test_signal_report"
        self.assertEqual(table, {f"{name}.hear": 3, f"{name}.fail": 2, f"{name}.ahear": 2})
        place = f"tests/testing/test_signal_report.py:{never.__code__.co_firstlineno}"
        start = lines.index(f"{name}.never")
        self.assertEqual(lines[start + 1], f"    mail_queued of shop.Order, {place}")
        self.assertNotIn(f"{name}.hear", lines[start:])

    def test_joined(self):
        """What workers send is joined; one that has crashed sends nothing."""
        joined = SignalReport(self.config)
        for signal in (order_paid, mail_queued):
            worker = SimpleNamespace(rootpath=ROOT, workeroutput={})
            with self.run_of(worker), mute(receiver=fail):
                signal.send(sender=Order)
            # As xdist sends it: nothing but plain values.
            sent = json.loads(json.dumps(worker.workeroutput))
            joined.pytest_testnodedown(SimpleNamespace(workeroutput=sent), None)
        joined.pytest_testnodedown(SimpleNamespace(), "crashed")
        lines = written(joined)
        (row,) = [line for line in lines if ".hear " in line]
        self.assertEqual(row.split()[1], "2")
        # It ran in the second one.
        self.assertFalse(any(line.endswith("test_signal_report.never") for line in lines))
        self.assertTrue(any(line.endswith("test_signal_report.fail") for line in lines))

    def test_nothing(self):
        """Where nothing was called, or everything, it says so."""
        report = SignalReport(self.config)
        self.assertEqual(
            written(report),
            ["No receiver was called in this run.", "", "Each connected receiver was called."],
        )

    def test_bounds(self):
        """It is bounded in length and width, and says what it leaves out."""
        report = SignalReport(self.config)
        name = "shop." + "very_" * 20 + "long"
        report.pytest_testnodedown(
            SimpleNamespace(
                workeroutput={
                    "signalscope_report": {
                        "figures": [["s", "", f"{name}{n}", 1, n, n] for n in range(MAX_KEYS + 5)],
                        "connected": [
                            ["s", f"{name}.{n}", f"{name}{-n}", f"{ROOT}/{name}.py:{n}"]
                            for n in range(1, MAX_NEVER_RUN + 8)
                        ],
                        "left_out_count": 2,
                        "problem": "",
                    }
                }
            ),
            None,
        )
        lines = written(report)
        self.assertEqual(lines[0], f"slowest receivers, 10 of {MAX_KEYS}")
        self.assertLess(max(map(len, lines)), 80)
        self.assertIn("and 7 more", lines)
        self.assertEqual(lines[-1], "7 calls of further receivers are not counted.")
        self.assertLess(len(lines), 130)
