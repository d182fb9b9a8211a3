"""Receivers that are put off, and where their runs are recorded."""

from django.dispatch import Signal
from django.test import SimpleTestCase

import signalscope
from signalscope.recorder.late import LateRun, put_off
from signalscope.recorder.rollups import Rollups
from tests.trees import connected, recorded


def receiver(sender, **kwargs):
    """Stand for the receiver that was put off."""


class LateTests(SimpleTestCase):
    """Where the runs hang, and what they count as."""

    def setUp(self):
        """Make a signal with a receiver that puts another one off."""
        self.signal, self.inner, self.late = Signal(), Signal(), []

        def defer(sender, signal, **kwargs):
            self.late.append(put_off(signal, sender, "on_commit"))

        self.enterContext(connected(self.signal, defer, weak=False))

    def run_late(self, *errors):
        """Run what was put off, which sends another signal, and may fail."""
        for late in self.late:
            run = LateRun(self.signal, None, receiver, method="on_commit", below=late)
            try:
                with run:
                    self.inner.send(None)
                    for error in errors:
                        raise error
            except KeyError:
                pass

    def test_below_the_call(self):
        """A run hangs below the call that put it off, though others came meanwhile."""
        with recorded() as seen:
            self.signal.send(None)
            self.inner.send(None)
            self.run_late()
        self.assertEqual(
            seen.text,
            "Signal\n  defer deferred\n    Signal\n      receiver ok\n"
            "        Signal unheard\nSignal unheard\n",
        )
        (run,) = seen.dispatches()[0].calls[0].children.values()
        self.assertEqual(run.method, "on_commit")
        self.assertEqual(seen.dispatches()[0].calls[0].error_message, "on_commit")

    def test_error(self):
        """A run that fails is recorded as such."""
        with recorded() as seen:
            self.signal.send(None)
            self.run_late(KeyError("on purpose"))
        self.assertIn("      receiver error\n", seen.text)

    def test_rollups(self):
        """What is put off is counted once as deferred, and once as a call when it has run."""
        rollups = Rollups()
        with recorded() as seen:
            for _ in range(3):
                self.signal.send(None)
            self.run_late()
            rollups.add(seen.tap)
        tallies = {key[-1].rpartition(".")[2]: t for key, t in rollups.take().items() if key[-1]}
        self.assertEqual((tallies["defer"].call_count, tallies["defer"].deferred_count), (0, 3))
        self.assertEqual(tallies["receiver"].call_count, 3)

    def test_after_it_was_counted(self):
        """A run that comes when its dispatch is stored already is recorded by itself."""
        rollups = Rollups()
        with recorded() as seen:
            self.signal.send(None)
            rollups.add(seen.tap)
            self.run_late()
        self.assertEqual(seen.text, "Signal\n  defer deferred\n")

    def test_not_recorded(self):
        """Where nothing is recorded, the run runs."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        self.signal.send(None)
        self.assertEqual(self.late, [None])
        self.run_late()

    def test_plan_is_no_dispatchs(self):
        """The plan of a run is not taken for that of a dispatch of the same signal and sender."""
        with recorded() as seen:
            self.signal.send(None)
            self.run_late()
            self.signal.send(None)
        self.assertEqual([dispatch.repeat_count for dispatch in seen.dispatches()], [2])
