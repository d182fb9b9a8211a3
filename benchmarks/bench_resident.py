"""
What a process holds in memory (its resident set) as it sends more and more.

    python -m benchmarks.bench_resident default|all

default: one trace in a hundred is stored; all: every one, as fast as they can be sent: there
the buffer fills up, which bench_memory.py holds to a bar. The writer has a turn every 250 ms,
and one before each look.
"""

import gc
import resource
import sys
from pathlib import Path

from benchmarks.setup import configure

if __name__ == "__main__":
    RATE = {"default": 0.01, "all": 1.0}[sys.argv[1]]
    configure(SAMPLE_RATE=RATE)

from django.dispatch import Signal

import signalscope
from benchmarks.models import Customer, Line, Order, Product
from benchmarks.side_by_side import QUICK, finish
from signalscope.wiring import scope

COUNTS = (2_000, 10_000, 20_000) if QUICK else (10_000, 100_000, 300_000, 1_000_000)
PER_TRACE = 100
# Of what is added since the first of the counts.
BAR_MIB = 10


def resident_mib():
    """Return what is held now; the most so far where the system does not tell."""
    signalscope.flush(30)
    gc.collect()
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_signals():
    """Return ten signals, the n-th with n receivers that do nothing."""
    signals = [Signal() for _ in range(10)]
    for count, signal in enumerate(signals, start=1):
        for _ in range(count):

            def receiver(sender, **kwargs):
                pass

            signal.connect(receiver, weak=False)
    return signals


def main():
    """Print a row per count of dispatches; return whether the bar holds at the last one."""
    signals = make_signals()
    scope().writer.interval_s = 0.25
    signalscope.flush(30)
    senders = (Customer, Line, Order, Product, None)
    title = "dispatches so far, " + ("every one stored" if RATE == 1 else "1 % stored")
    print(f"\n{title:<44} {'MiB':>10} {'grown':>10} {'bar':>13}")
    sent, first = 0, None
    for count in COUNTS:
        while sent < count:
            with signalscope.trace("benchmark"):
                for number in range(PER_TRACE):
                    signals[number % 10].send(senders[number % 5])
            sent += PER_TRACE
        mib = resident_mib()
        first = mib if first is None else first
        has_bar = count == COUNTS[-1] and RATE < 1
        holds = not has_bar or mib - first <= BAR_MIB
        verdict = f"{BAR_MIB:>13} {'ok' if holds else 'ABOVE'}" if has_bar else ""
        print(f"{count:<44,} {mib:>10.1f} {mib - first:>10.1f} {verdict}", flush=True)
    return holds


if __name__ == "__main__":
    finish(main())
