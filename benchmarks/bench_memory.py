"""The memory that a full buffer holds, whatever the dispatches in it look like."""

import tracemalloc

from benchmarks.setup import configure

if __name__ == "__main__":
    configure(SAMPLE_RATE=1.0)

from django.dispatch import Signal

import signalscope
from benchmarks.side_by_side import finish
from signalscope.wiring import scope

BAR_MIB = 32


def receivers(count, also=None):
    """Return so many receivers; the first does something as well."""

    def make(number):
        def receiver(sender, **kwargs):
            if number == 0 and also is not None:
                also()

        return receiver

    return [make(number) for number in range(count)]


def fill(signal, per_trace):
    """Record until the buffer is full; return the bytes that it holds, and how many dispatches."""
    recorder = scope().recorder
    scope().buffer.forget()
    recorder.lost_traces = 0
    count = 0
    tracemalloc.start()
    while not recorder.lost_traces:
        with signalscope.trace("benchmark"):
            for _ in range(per_trace):
                signal.send(sender=None)
        count += per_trace
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    scope().buffer.forget()
    recorder.rollups.take()
    return held, count


def main():
    """Print a row per shape; return whether the bar holds for all."""
    inner = Signal()
    kept = receivers(2)
    for receiver in kept:
        inner.connect(receiver)
    held = []
    print(f"\n{'a full buffer of':<44} {'dispatches':>10} {'MiB':>10} {'bar':>13}")
    shapes = [
        ("traces of 1 dispatch, 1 receiver", 1, 1, None),
        ("traces of 900 dispatches, 1 receiver", 1, 900, None),
        ("traces of 100 dispatches, 5 receivers", 5, 100, None),
        ("traces of 20, each with one below it", 2, 20, lambda: inner.send(sender=None)),
        ("traces of one with 900 below it", 1, 1, lambda: [inner.send(None) for _ in range(900)]),
    ]
    for title, count, per_trace, also in shapes:
        signal = Signal()
        connected = receivers(count, also)
        for receiver in connected:
            signal.connect(receiver)
        size, dispatches = fill(signal, per_trace)
        mib = size / 2**20
        held.append(mib <= BAR_MIB)
        verdict = "ok" if held[-1] else "ABOVE"
        print(f"{title:<44} {dispatches:>10} {mib:>10.1f} {BAR_MIB:>13} {verdict}")
    return all(held)


if __name__ == "__main__":
    finish(main())
