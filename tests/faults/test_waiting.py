"""What waits while the database is in trouble for long: bounded, and counted."""

from django.test import SimpleTestCase

from signalscope.core import faults
from signalscope.recorder.batch import Batch, LossRow, Refused, join
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.rollups import Rollups, Tally
from signalscope.recorder.waiting import Waiting
from signalscope.recorder.writer import MAX_PAUSE_S, Writer


def tallies(minutes, names, calls=2):
    """Return a tally of so many calls for each of the minutes, and of the names."""
    found = {}
    for minute in range(minutes):
        for number in range(names):
            tally = found[minute * 60, "signal", "sender", f"receiver {number}"] = Tally()
            tally.pending = [1000] * calls
            tally.settle()
    return found


class WaitingTests(SimpleTestCase):
    """Roll-ups that pile up, batches that are split, pauses that grow."""

    def test_hours_of_tallies_lose_no_call(self):
        """Ten days of minutes are blurred to hours and days before calls are lost."""
        rollups = Rollups(max_tallies=500)
        for minute in range(10 * 24 * 60):
            waiting = rollups.take()
            waiting |= {(minute * 60, *key[1:]): tally for key, tally in tallies(1, 5).items()}
            rollups.put_back(waiting)
        taken = rollups.take()
        self.assertLessEqual(len(taken), 500)
        self.assertEqual(sum(tally.call_count for tally in taken.values()), 10 * 24 * 60 * 10)
        self.assertEqual(sum(sum(tally.buckets.values()) for tally in taken.values()), 144_000)
        self.assertEqual(rollups.lost_calls, 0)

    def test_calls_without_room_are_counted(self):
        """What finds no room even so is counted call by call."""
        rollups = Rollups(max_tallies=10)
        rollups.put_back(tallies(1, 25))
        taken = rollups.take()
        self.assertEqual((len(taken), rollups.lost_calls), (10, 30))

    def test_split_batches_hold_the_same(self):
        """However often a batch is split, its parts joined are the batch."""
        whole = Batch(rollups=tallies(5, 7), loss=LossRow("here", 1, 2, 3, 4, 5))
        smallest, waiting = [], [whole]
        while waiting:
            batch = waiting.pop()
            parts = batch.split()
            waiting += parts
            if not parts:
                smallest.append(batch)
        self.assertEqual(len(smallest), 36)
        self.assertEqual(join(smallest).rollups, whole.rollups)
        self.assertEqual(join(smallest).loss, whole.loss)

    def test_pauses_are_bounded(self):
        """After weeks of failures the writer still pauses for a minute, and no more."""
        writer = Writer(None, None, interval_s=10.0, exit_timeout_s=1, is_discarding=lambda: False)
        for writer._failures in (5, 100, 1100, 100_000):
            self.assertEqual(writer._pause_s(), MAX_PAUSE_S)

    def test_trouble_while_a_refused_row_is_searched_for(self):
        """What was not stored yet waits; what was stored already is not stored twice."""
        stored = []

        class Sink:
            is_well = False

            def write(self, batch):
                receivers = [key[3] for key in batch.rollups]
                if "receiver 0" in receivers:
                    raise Refused
                if not self.is_well and stored:
                    raise OSError
                stored.extend(receivers)

        sink = Sink()
        rollups = Rollups()
        waiting = Waiting(Recorder(planner=None, buffer=None, rollups=rollups, is_discarding=None))
        waiting.batch = Batch(rollups=tallies(1, 8))
        with self.assertRaises(OSError):
            waiting.store(sink.write)
        left = [key[3] for key in waiting.batch.rollups]
        self.assertEqual(sorted(stored + left), [f"receiver {number}" for number in range(8)])
        self.assertTrue(stored)
        sink.is_well = True
        with self.assertLogs("signalscope", "ERROR"):
            waiting.store(sink.write)
        faults.caught.clear()
        self.assertEqual(sorted(stored), [f"receiver {number}" for number in range(1, 8)])
        self.assertEqual(rollups.lost_calls, 2)
