"""Measures two ways in turn, so that a slow moment of the machine hits both."""

import gc
import os
import sys
from time import perf_counter_ns

from django.dispatch import Signal

import signalscope

QUICK = bool(os.environ.get("BENCHMARK_QUICK"))
# The exit status of a benchmark with a bar that does not hold: none of Python's own.
MISSED = 3
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
    Return the least time of each of two works, run in turn, in ns: the yardstick's first.

    works: functions by kind; before, after: run with the kind around each, outside of the clock.
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
    yardstick, ours = least.values()
    return yardstick, ours


def show(title, bare_ns, scoped_ns, bar, per=1):
    """Print one row: both times per unit in µs, the ratio, and whether it is within the bar."""
    return row(title, bare_ns / per / 1e3, scoped_ns / per / 1e3, bar)


def row(title, yardstick, ours, bar=None, *, is_least=False):
    """
    Print one row; return whether the ratio of both figures keeps the bar.

    is_least: the bar is the least that the ratio may be, not the most.
    """
    ratio = ours / yardstick
    verdict = ""
    if bar is not None:
        holds = ratio >= bar if is_least else ratio <= bar
        verdict = "ok" if holds else "BELOW" if is_least else "ABOVE"
    bar_text = "" if bar is None else f"{bar:.2f}"
    print(
        f"{title:<44} {_figure(yardstick):>10} {_figure(ours):>10} "
        f"{ratio:>6.2f} {bar_text:>5} {verdict}",
        flush=True,
    )
    return verdict in ("", "ok")


def head(title, yardstick="bare µs", ours="scoped µs"):
    """Print the head of a table of rows."""
    print(f"\n{title:<44} {yardstick:>10} {ours:>10} {'ratio':>6} {'bar':>5}", flush=True)


def finish(holds):
    """End the process, and tell by its exit status whether all bars hold."""
    sys.exit(0 if holds else MISSED)


def _figure(value):
    return f"{value:.3f}" if value < 10_000 else f"{value:,.0f}"
