"""
How long requests take while a million rows are pruned by a process beside, and while none are.

    python -m benchmarks.bench_prune postgres|sqlite

The command runs with its defaults; before and after it the same requests run alone.
"""

import statistics
import subprocess
import sys
import threading
import time

from benchmarks.databases import BUSY, make_database
from benchmarks.setup import configure

if __name__ == "__main__":
    ENGINE = sys.argv[1]
    configure(databases={"default": make_database(ENGINE, options=BUSY)}, SAMPLE_RATE=0.01)

from benchmarks.side_by_side import QUICK, finish, head, row
from benchmarks.stored import analyze, make_traces
from benchmarks.traffic import fill, make_requests
from signalscope.models import Dispatch, ReceiverCall, Trace

# Of 25 rows each, as a heavy request leaves.
TRACES = 1_000 if QUICK else 40_000
ALONE = 100 if QUICK else 1_500


def row_count():
    """Return how many rows of traces there are."""
    return sum(model.objects.count() for model in (Trace, Dispatch, ReceiverCall))


def main(engine):
    """Print the table; return whether the bar holds."""
    fill()
    requests = make_requests("heavy")
    # Older than traces are kept.
    make_traces("default", TRACES, dispatches=8, calls=2, since_days=20, until_days=10)
    analyze("default")
    before = row_count()
    requests(50)

    def timed(is_wanted):
        """Return how long each request took, in ms, as long as more are wanted."""
        found = []
        while is_wanted(found):
            started = time.perf_counter_ns()
            requests()
            found.append((time.perf_counter_ns() - started) / 1e6)
        return found

    def run_alone():
        return timed(lambda found: len(found) < ALONE)

    alone = run_alone()
    command = [sys.executable, "-m", "benchmarks.manage", "signalscope", "prune"]
    prune = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    # Its output must not fill the pipe.
    reader = threading.Thread(target=prune.stdout.read)
    reader.start()
    started = time.monotonic()
    beside = timed(lambda found: prune.poll() is None)
    took_s = time.monotonic() - started
    reader.join()
    pruned = before - row_count()
    alone += run_alone()
    head(f"one heavy request, {engine}; ms", "alone", "beside")
    halves = [statistics.median(times) for times in (alone, beside)]
    row("median", *halves)
    tails = [statistics.quantiles(times, n=20)[-1] for times in (alone, beside)]
    holds = row("95 of 100 are quicker than", *tails, 1.25)
    row("longest", max(alone), max(beside))
    print(
        f"    pruned: {pruned:,} of {before:,} rows in {took_s:.0f} s, "
        f"beside {len(beside):,} requests; exit status {prune.returncode}"
    )
    # Traces of the requests themselves stay.
    return holds and prune.returncode == 0 and pruned > 0.99 * before


if __name__ == "__main__":
    finish(main(ENGINE))
