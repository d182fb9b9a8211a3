"""Receivers that are kept out of a dispatch, and what is recorded of that."""

import asyncio
import gc

from django.dispatch import Signal
from django.test import SimpleTestCase

from signalscope import wiring
from signalscope.recorder.calls import is_error
from signalscope.recorder.gate import note_outcome
from signalscope.recorder.plans import PLANS
from signalscope.recorder.rollups import Rollups
from tests.trees import connected, recorded

METHODS = ("send", "send_robust", "asend", "asend_robust")


def first(sender, **kwargs):
    """Answer."""
    return 1


def second(sender, **kwargs):
    """Answer."""
    return 2


async def third(sender, **kwargs):
    """Answer later."""
    return 3


def fails(sender, **kwargs):
    """Raise an error."""
    raise KeyError("on purpose")


def call(signal, method, sender=None):
    """Send by any of the four methods; return the responses."""
    sent = getattr(signal, method)(sender=sender)
    return asyncio.run(_awaited(sent)) if method.startswith("a") else sent


async def _awaited(coroutine):
    return await coroutine


class GateTestCase(SimpleTestCase):
    """Tests with a gate of their own."""

    def setUp(self):
        """Keep nobody out, and make all plans anew before and after."""
        self.muted = {}
        planner = wiring.scope().planner
        planner.gatekeepers.append(self.gate)
        self.addCleanup(PLANS.clear)
        self.addCleanup(planner.gatekeepers.remove, self.gate)
        PLANS.clear()

    def gate(self, plan, candidates):
        """Return a gate that keeps out what self.muted names at the time of the dispatch."""
        labels = [label.rpartition(".")[2] for label in plan.receivers]

        def ask(decided):
            verdict = tuple([self.muted.get(label, "") for label in labels])
            return verdict if any(verdict) else decided

        return ask


class KeptOutTests(GateTestCase):
    """What runs, and what is answered."""

    def test_others_run(self):
        """All but those that are kept out run, in their order, by each of the four methods."""
        signal = Signal()
        with connected(signal, first, second, third):
            for method in METHODS:
                for muted, expected in (
                    ({}, [1, 2, 3]),
                    ({"first": "x"}, [2, 3]),
                    ({"second": "x", "third": "x"}, [1]),
                    ({"first": "x", "second": "x", "third": "x"}, []),
                ):
                    self.muted = muted
                    with self.subTest(method=method, muted=muted):
                        self.assertEqual([r for _, r in call(signal, method)], expected)

    def test_one_that_fails_is_kept_out(self):
        """An error that nobody raises ends no dispatch."""
        signal = Signal()
        with connected(signal, first, fails, second):
            self.muted = {"fails": "x"}
            self.assertEqual([response for _, response in signal.send(None)], [1, 2])
            self.muted = {}
            with self.assertRaises(KeyError):
                signal.send(None)

    def test_signal_is_as_it_was(self):
        """Neither the receivers nor the cache of a signal are touched."""
        signal = Signal(use_caching=True)
        with connected(signal, first, second, third):
            signal.send(KeptOutTests)
            receivers = list(signal.receivers)
            cached = signal.sender_receivers_cache[KeptOutTests]
            self.muted = {"first": "x", "third": "x"}
            signal.send(KeptOutTests)
            self.assertEqual(signal.receivers, receivers)
            self.assertIs(signal.sender_receivers_cache[KeptOutTests], cached)
            self.assertTrue(signal.has_listeners(KeptOutTests))

    def test_excluded_receivers(self):
        """What is not recorded is kept out, too."""
        planner = wiring.scope().planner
        self.addCleanup(wiring.scope().configure)
        planner.choose(include=(), exclude=("*",))
        signal = Signal()
        with connected(signal, first, second, third), recorded() as seen:
            self.muted = {"second": "x"}
            for method in METHODS:
                self.assertEqual([r for _, r in call(signal, method)], [1, 3])
        self.assertEqual(seen.text, "")

    def test_signal_that_is_gone(self):
        """Plans of those that are kept out hold no signal."""
        self.muted = {"first": "x"}
        signal = Signal()
        # A weak connection lets the receiver hold the signal in Django 5.2.
        with connected(signal, first, weak=False):
            signal.send(None)
        (plan,) = PLANS.values()
        del signal
        gc.collect()
        self.assertIsNone(plan.of())


class RecordTests(GateTestCase):
    """What the tree and the roll-ups say."""

    def test_tree(self):
        """One that is kept out stands in its place, with who did it; repeats are folded."""
        signal = Signal()
        with connected(signal, first, second, third), recorded() as seen:
            self.muted = {"second": "a rule"}
            for _ in range(3):
                signal.send(None)
            self.muted = {}
            signal.send(None)
        self.assertEqual(
            seen.text,
            "Signal x3\n  first ok\n  second muted\n  third ok\n"
            "Signal\n  first ok\n  second ok\n  third ok\n",
        )
        muted, ran = seen.dispatches()
        self.assertEqual([call.position for call in muted.calls], [0, 1, 2])
        self.assertEqual([call.position for call in ran.calls], [0, 1, 2])
        self.assertEqual(muted.calls[1].error_message, "a rule")
        self.assertEqual(seen.tree().call_count, 9)

    def test_all_kept_out(self):
        """A dispatch of which nobody ran is no unheard one."""
        signal = Signal()
        with connected(signal, first), recorded() as seen:
            self.muted = {"first": "x"}
            for _ in range(2):
                signal.send(None)
        self.assertEqual(seen.text, "Signal x2\n  first muted\n")

    def test_rollups(self):
        """Calls that were kept out are counted, and are no calls."""
        signal, rollups = Signal(), Rollups()
        with connected(signal, first, second, third), recorded() as seen:
            for muted in ({}, {"first": "x"}, {"first": "x", "second": "x", "third": "x"}):
                self.muted = muted
                for method in METHODS:
                    call(signal, method)
            rollups.add(seen.tap)
        counts = {
            key[-1].rpartition(".")[2]: (tally.call_count, tally.muted_count)
            for key, tally in rollups.take().items()
        }
        self.assertEqual(counts, {"first": (4, 8), "second": (8, 4), "third": (8, 4)})


class OutcomeTests(SimpleTestCase):
    """A receiver that says what became of its own call."""

    def test_tree_and_rollups(self):
        """Such calls are told apart from others, and folded with their like."""
        signal, rollups, skips = Signal(), Rollups(), []

        def skip(sender, signal, **kwargs):
            if skips:
                note_outcome(signal, sender, "skipped", "a condition")

        async def skip_async(sender, signal, **kwargs):
            await asyncio.sleep(0)
            if skips:
                note_outcome(signal, sender, "skipped", "a condition")

        with connected(signal, first, skip, skip_async), recorded() as seen:
            for method in METHODS:
                call(signal, method)
            skips.append(True)
            for method in METHODS * 2:
                call(signal, method)
            rollups.add(seen.tap)
        lines = "Signal{}\n  first ok\n  skip {}\n  skip_async {}\n"
        self.assertEqual(
            seen.text,
            lines.format("", "ok", "ok") * 4 + lines.format(" x2", "skipped", "skipped") * 4,
        )
        self.assertEqual(seen.dispatches()[-1].calls[1].error_message, "a condition")
        counts = {
            key[-1].rpartition(".")[2]: (tally.call_count, tally.skipped_count)
            for key, tally in rollups.take().items()
        }
        self.assertEqual(counts, {"first": (12, 0), "skip": (4, 8), "skip_async": (4, 8)})

    def test_not_recorded(self):
        """The outcome of a call that is not recorded is not that of the call it is below."""
        outer, inner = Signal(), Signal()
        wiring.scope().planner.choose(include=(), exclude=("*.inner_receiver",))
        self.addCleanup(wiring.scope().configure)

        def inner_receiver(sender, signal, **kwargs):
            note_outcome(signal, sender, "skipped", "x")

        def outer_receiver(sender, **kwargs):
            inner.send(sender)

        with (
            connected(outer, outer_receiver),
            connected(inner, inner_receiver),
            recorded() as seen,
        ):
            outer.send(None)
            inner_receiver(None, inner)
        self.assertEqual(seen.text, "Signal\n  outer_receiver ok\n")


class WatchTests(SimpleTestCase):
    """Records that are looked at as soon as a dispatch is over."""

    def test_watch(self):
        """A watch gets each record once it is complete, whatever became of the dispatch."""
        signal, found = Signal(), []
        planner = wiring.scope().planner

        def watcher(plan):
            return found.append if plan.receivers[0].endswith(".first") else None

        planner.watchers.append(watcher)
        self.addCleanup(PLANS.clear)
        self.addCleanup(planner.watchers.remove, watcher)
        PLANS.clear()
        with connected(signal, first, fails):
            for method in METHODS:
                with self.subTest(method=method):
                    found.clear()
                    if method.endswith("robust"):
                        call(signal, method)
                    else:
                        with self.assertRaises(KeyError):
                            call(signal, method)
                    (record,) = found
                    self.assertEqual((record[0].of(), record[1]), (signal, method))
                    errors = [item[1] for item in record if type(item) is tuple and is_error(item)]
                    self.assertEqual(errors, ["KeyError"])
