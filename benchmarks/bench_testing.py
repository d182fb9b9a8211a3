"""What one dispatch costs in a test: bare, recorded, and captured as well."""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure(SAMPLE_RATE=1.0)

from django.db.models.signals import pre_save

import signalscope
from benchmarks.bench_control import sending
from benchmarks.bench_dispatch import COUNT, make_signal
from benchmarks.side_by_side import Methods, compare, finish, head, row
from signalscope.testing import capture


class Bench:
    """Sends in a trace, with a capture open or without one."""

    def __init__(self, sender):
        self.sender = sender
        self.methods = Methods()
        self.blocks = []

    def measure(self, yardstick, ours, signal):
        """Return the time of one dispatch in two ways, in µs: "bare", "recorded", "captured"."""
        works = {}
        for kind in (yardstick, ours):
            owner = self.methods.bare if kind == "bare" else self.methods.scoped
            works[kind] = sending(owner["send"], signal, self.sender)
        times_ns = compare(works, before=self.begin, after=self.end)
        return [time_ns / COUNT / 1e3 for time_ns in times_ns]

    def begin(self, kind):
        """Open the blocks of a way to send."""
        if kind == "bare":
            return
        self.blocks.append(signalscope.trace("benchmark"))
        if kind == "captured":
            self.blocks.append(capture())
        for block in self.blocks:
            block.__enter__()

    def end(self, kind):
        """Close them, without reading what was captured: that is no part of a dispatch."""
        while self.blocks:
            block = self.blocks.pop()
            if type(block) is capture:
                block._open.forget()
            block.__exit__(None, None, None)
        signalscope.flush(30)


def main():
    """Print the tables; return whether all bars hold."""
    from benchmarks.models import Product

    bench = Bench(Product)
    held = []
    signals = {f"{count} receivers": make_signal(count) for count in (1, 5)}

    head(f"one dispatch, of {COUNT} in a trace", "bare µs", "rec. µs")
    costs = {}
    for title, signal in signals.items():
        bare, recorded = bench.measure("bare", "recorded", signal)
        costs[title] = recorded - bare
        row(title, bare, recorded)

    head("the same, in a capture", "rec. µs", "capt. µs")
    for title, signal in signals.items():
        recorded, captured = bench.measure("recorded", "captured", signal)
        row(title, recorded, captured)
        costs[title] = costs[title], captured - recorded
    row("nobody hears: pre_save", *bench.measure("recorded", "captured", pre_save))

    head("what each adds to one dispatch", "rec. µs", "capt. µs")
    for title, (recording, capturing) in costs.items():
        held.append(row(title, recording, capturing, 1.0))
    return all(held)


if __name__ == "__main__":
    finish(main())
