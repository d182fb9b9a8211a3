"""
What a whole request costs, beside bare Django's: its wall time, and the CPU time of all threads.

    python -m benchmarks.bench_request heavy|light 0|1

with the sample rate 0 (roll-ups only) or 1 (every dispatch stored in SQLite).
"""

import sys
import time

from benchmarks.setup import configure

if __name__ == "__main__":
    KIND, RATE = sys.argv[1], float(sys.argv[2])
    configure(SAMPLE_RATE=RATE)

from django.dispatch import Signal

import signalscope
from benchmarks.side_by_side import METHODS, QUICK, Methods, finish, show
from benchmarks.traffic import fill, make_requests

# (requests per measurement, measurements, requests per turn of the writer, bars of wall and CPU)
# The writer has a turn every 10 s: these are 10 heavy or 50 light requests per second.
PLAN = {
    "heavy": (1, 800, 100, {0: (1.05, 1.08), 1: (1.10, 1.20)}),
    "light": (10, 800, 500, {0: (None, 1.10), 1: (None, 1.50)}),
}
# The class changes once per round and kind; the interpreter gives up caching the attributes of
# a class that changes a thousand times.
PER_ROUND = 20


def main(kind, rate):
    """Print two rows; return whether the bars hold."""
    count, measurements, per_turn, bars = PLAN[kind]
    rounds = 2 if QUICK else measurements // PER_ROUND
    wall_bar, cpu_bar = bars[int(rate)]
    fill()
    requests = make_requests(kind)
    found = Methods()
    methods = {"bare": found.bare, "scoped": found.scoped}

    def switch(which):
        for name in METHODS:
            setattr(Signal, name, methods[which][name])

    def measure(clock):
        least = dict.fromkeys(methods, float("inf"))
        for _ in range(rounds):
            for which in methods:
                switch(which)
                requests(count)
                for _ in range(PER_ROUND):
                    started = clock()
                    requests(count)
                    least[which] = min(least[which], clock() - started)
                signalscope.flush(30)
        return least["bare"], least["scoped"]

    def writing():
        """Return the least CPU time of the writer's turn, as a share of one measurement."""
        switch("scoped")
        least = float("inf")
        for _ in range(min(rounds, 10)):
            requests(per_turn)
            started = time.process_time_ns()
            signalscope.flush(30)
            least = min(least, time.process_time_ns() - started)
        return least / per_turn * count

    what = f"{kind} request, " + ("every dispatch stored" if rate else "roll-ups only")
    held = [show(f"{what}: wall", *measure(time.perf_counter_ns), wall_bar, count)]
    bare, scoped = measure(time.process_time_ns)
    held.append(show(f"{what}: CPU", bare, scoped + writing(), cpu_bar, count))
    return all(held)


if __name__ == "__main__":
    finish(main(KIND, RATE))
