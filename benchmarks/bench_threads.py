"""How many dispatches per second 8 threads send in all, beside one thread."""

import threading

from benchmarks.setup import configure

if __name__ == "__main__":
    # As it is by default: one trace in a hundred is stored, all are counted.
    configure(SAMPLE_RATE=0.01)

from time import perf_counter_ns

from django.dispatch import Signal

import signalscope
from benchmarks.models import Product
from benchmarks.side_by_side import METHODS, QUICK, Methods, finish, head, row

THREADS = 8
PER_TRACE = 150
TRACES = 32 if QUICK else 1600
ROUNDS = 2 if QUICK else 9


def quiet_receiver(sender, **kwargs):
    """Do nothing."""


def run(thread_count, work):
    """Return how long so many threads take that share TRACES among them, in ns."""
    begin = threading.Barrier(thread_count + 1)

    def run_share():
        begin.wait()
        for _ in range(TRACES // thread_count):
            work()

    threads = [threading.Thread(target=run_share) for _ in range(thread_count)]
    for thread in threads:
        thread.start()
    begin.wait()
    started = perf_counter_ns()
    for thread in threads:
        thread.join()
    return perf_counter_ns() - started


def main():
    """Print the table; return whether the bar holds."""
    signal = Signal()
    signal.connect(quiet_receiver)
    found = Methods()

    def send():
        # A name that is looked up each time, as in a project.
        for _ in range(PER_TRACE):
            signal.send(Product)

    def send_in_trace():
        with signalscope.trace("benchmark"):
            send()

    shapes = [
        ("bare Django", found.bare, send, None),
        (f"signalscope, in traces of {PER_TRACE}", found.scoped, send_in_trace, 0.9),
        ("signalscope, in no trace", found.scoped, send, 0.9),
    ]
    most = {(title, count): 0 for title, *_ in shapes for count in (1, THREADS)}
    for _ in range(ROUNDS):
        for title, methods, work, _bar in shapes:
            for name in METHODS:
                setattr(Signal, name, methods[name])
            for count in (1, THREADS):
                per_s = TRACES * PER_TRACE / run(count, work) * 1e9
                most[title, count] = max(most[title, count], per_s)
                signalscope.flush(30)
    head("dispatches per second in all", "1 thread", f"{THREADS} threads")
    held = []
    for title, _methods, _work, bar in shapes:
        held.append(row(title, most[title, 1], most[title, THREADS], bar, is_least=True))
    return all(held)


if __name__ == "__main__":
    finish(main())
