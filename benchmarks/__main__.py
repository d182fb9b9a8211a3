"""
Runs all benchmarks, each in an interpreter of its own, and says whether every bar holds.

    python -m benchmarks [--quick]

--quick: few rounds, and exit status 0 whatever they say: only to see that all of it runs.
"""

import os
import platform
import subprocess
import sys

import django

RUNS = [
    ["bench_dispatch"],
    ["bench_request", "heavy", "0"],
    ["bench_request", "heavy", "1"],
    ["bench_request", "light", "0"],
    ["bench_request", "light", "1"],
    ["bench_memory"],
]


def main():
    """Run them; return the exit status."""
    is_quick = sys.argv[1:] == ["--quick"]
    if sys.argv[1:] and not is_quick:
        print(f"unknown arguments {sys.argv[1:]}: only --quick is known", file=sys.stderr)
        return 2
    print(f"Python {platform.python_version()}, Django {django.__version__}", flush=True)
    environment = {**os.environ, "BENCHMARK_QUICK": "1" if is_quick else ""}
    failed = []
    for module, *arguments in RUNS:
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        status = subprocess.run(command, env=environment, check=False).returncode
        if status not in (0, 1):
            return status
        if status:
            failed.append(" ".join([module, *arguments]))
    print("\nall bars hold" if not failed else f"\nabove a bar: {', '.join(failed)}")
    return 0 if is_quick or not failed else 1


if __name__ == "__main__":
    sys.exit(main())
