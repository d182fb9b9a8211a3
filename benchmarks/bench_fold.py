"""What the writer does for one dispatch: counting it in the roll-ups, folding it into a tree."""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure(SAMPLE_RATE=1.0)

from django.dispatch import Signal

import signalscope
from benchmarks.models import Product
from benchmarks.side_by_side import Methods, compare, finish, head, row
from signalscope.recorder.tree import Tree
from signalscope.wiring import scope

COUNT = 3000


def make_signals(count):
    """Return so many signals, with one receiver each that does nothing."""
    signals = []
    for _ in range(count):

        def receiver(sender, **kwargs):
            pass

        signal = Signal()
        signal.connect(receiver, weak=False)
        signals.append(signal)
    return signals


def send_all(signals, send):
    """Send COUNT times: each signal in turn."""
    bound = [send.__get__(signal) for signal in signals]
    for _ in range(COUNT // len(bound)):
        for send_one in bound:
            send_one(Product)


def record(signals, per_trace):
    """Return the items of the traces of COUNT dispatches, as the writer gets them."""
    bound = [signal.send for signal in signals]
    scope().buffer.take()
    for first in range(0, COUNT, per_trace):
        with signalscope.trace("benchmark"):
            for number in range(first, first + per_trace):
                bound[number % len(bound)](Product)
    return [part.items for part in scope().buffer.take()]


def main():
    """Print the tables; return whether all bars hold."""
    bare = Methods().bare["send"]
    rollups = scope().recorder.rollups
    held = []

    def fold_rollups(traces):
        for items in traces:
            rollups.add(items)
        # The durations are sorted into buckets now.
        rollups.take()

    def fold_trees(traces):
        for items in traces:
            Tree(1000).add(items)

    shapes = [(1, 150), (1, 1), (1, 1000), (30, 150), (300, 150)]
    tables = [
        ("in the roll-ups", fold_rollups, 3.0),
        ("in the tree of its trace", fold_trees, None),
    ]
    for what, fold, bar in tables:
        head(f"one dispatch, counted {what}", "sent µs", "counted µs")
        for key_count, per_trace in shapes:
            signals = make_signals(key_count)
            traces = record(signals, per_trace)
            works = {
                "sent": lambda signals=signals: send_all(signals, bare),
                "counted": lambda fold=fold, traces=traces: fold(traces),
            }
            sent, counted = compare(works, rounds=100)
            title = f"{key_count} receivers, traces of {per_trace}"
            held.append(row(title, sent / COUNT / 1e3, counted / COUNT / 1e3, bar))
    return all(held)


if __name__ == "__main__":
    finish(main())
