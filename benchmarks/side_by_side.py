"""Measures two ways in turn, so that a slow moment of the machine hits both."""

import gc
import os
from time import perf_counter_ns

from django.dispatch import Signal

import signalscope

QUICK = bool(os.environ.get("BENCHMARK_QUICK"))
METHODS = ("send", "asend", "send_robust", "asend_robust")


class Methods:
    """Django's own methods and the instrumented ones, for use side by side."""

    def __init__(self):
        signalscope.uninstall()
        self.bare = {name: Signal.__dict__[name] for name in METHODS}
        signalscope.install()
        self.scoped = {name: Signal.__dict__[name] for name in METHODS}


def ignore(kind):
    """Do nothing."""


def compare(works, *, rounds=300, before=ignore, after=ignore, clock=perf_counter_ns):
    """
    Return the least time of works["bare"] and of works["scoped"], run in turn, in ns.

    before, after: run around each, outside of the clock.
    """
    rounds = 3 if QUICK else rounds
    least = dict.fromkeys(works, float("inf"))
    gc.collect()
    for _ in range(rounds):
        for kind, work in works.items():
            before(kind)
            started = clock()
            work()
            least[kind] = min(least[kind], clock() - started)
            after(kind)
    return least["bare"], least["scoped"]


def show(title, bare_ns, scoped_ns, bar, per=1):
    """Print one row: both times per unit, the ratio, and whether it is within the bar."""
    ratio = scoped_ns / bare_ns
    verdict = "" if bar is None else ("ok" if ratio <= bar else "ABOVE")
    bar_text = "" if bar is None else f"{bar:.2f}"
    print(
        f"{title:<44} {bare_ns / per / 1e3:>10.3f} {scoped_ns / per / 1e3:>10.3f} "
        f"{ratio:>6.2f} {bar_text:>5} {verdict}",
        flush=True,
    )
    return verdict != "ABOVE"


def head(title):
    """Print the head of a table of show() rows."""
    print(f"\n{title:<44} {'bare µs':>10} {'scoped µs':>10} {'ratio':>6} {'bar':>5}", flush=True)
