"""
Runs all benchmarks, each in an interpreter of its own, and says whether every bar holds.

    python -m benchmarks [--quick]

--quick: each benchmark with its first arguments and few rounds, and exit status 0 whatever the
bars: only to see that all of them run.
All of it takes about three quarters of an hour, quickly two minutes. What needs PostgreSQL
takes the server of POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER and POSTGRES_PASSWORD, else the one
at hand.
"""

import os
import platform
import subprocess
import sys
import time

import django

from benchmarks.side_by_side import MISSED

RUNS = [
    ["bench_dispatch"],
    ["bench_control"],
    ["bench_testing"],
    ["bench_request", "heavy", "0"],
    ["bench_request", "heavy", "1"],
    ["bench_request", "light", "0"],
    ["bench_request", "light", "1"],
    ["bench_middleware"],
    ["bench_memory"],
    ["bench_resident", "default"],
    ["bench_resident", "all"],
    ["bench_fold"],
    ["bench_threads"],
    ["bench_store", "sqlite"],
    ["bench_store", "postgres"],
    ["bench_stats", "sqlite"],
    ["bench_stats", "postgres"],
    ["bench_lists", "sqlite"],
    ["bench_lists", "postgres"],
    ["bench_prune", "postgres"],
    ["bench_prune", "sqlite"],
    ["bench_server", "light", "sqlite"],
    ["bench_server", "reading", "sqlite"],
    ["bench_activity"],
    ["bench_deferred"],
    ["bench_durable"],
    ["bench_bulk"],
    ["bench_peers", "light"],
    ["bench_peers", "heavy"],
]


def main():
    """Run them; return the exit status."""
    is_quick = sys.argv[1:] == ["--quick"]
    if sys.argv[1:] and not is_quick:
        print(f"unknown arguments {sys.argv[1:]}: only --quick is known", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, Django {django.__version__}", flush=True)
    environment = {**os.environ, "BENCHMARK_QUICK": "1" if is_quick else ""}
    failed, started = [], time.monotonic()
    # Of equal keys the last one would count.
    runs = {run[0]: run for run in reversed(RUNS)}.values() if is_quick else RUNS
    for module, *arguments in runs:
        print("\n$ python -m", " ".join([f"benchmarks.{module}", *arguments]), flush=True)
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        status = subprocess.run(command, env=environment, check=False).returncode
        if status not in (0, MISSED):
            return status
        if status:
            failed.append(" ".join([module, *arguments]))
    said = f"a bar does not hold: {', '.join(failed)}" if failed else "all bars hold"
    print(f"\nIn all: {said}; it took {time.monotonic() - started:.0f} s")
    return 0 if is_quick or not failed else 1


if __name__ == "__main__":
    sys.exit(main())
