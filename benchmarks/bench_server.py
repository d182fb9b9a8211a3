"""
Requests per second of a server under load, with signalscope by default and without it.

    python -m benchmarks.bench_server reading|light sqlite|postgres

Two gunicorn servers of 2 workers with 8 threads each, loaded in turn by wrk with 16 connections;
the medians of the turns are compared. The processor time of each server, of all its processes
from start to end, is divided by the requests that it answered. The heavy request is not among
them: its requests would wait for each other's locks.
"""

import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

from benchmarks.databases import BUSY, make_database, skip
from benchmarks.setup import configure

if __name__ == "__main__":
    KIND, ENGINE = sys.argv[1:]
    DATABASE = make_database(ENGINE, options=BUSY)
    # All of signalscope's settings are its defaults.
    configure(databases={"default": DATABASE}, also={"SIGNALSCOPE": {}})

from django.db import connection
from django.db.models import Sum

from benchmarks.side_by_side import QUICK, finish, head, row
from benchmarks.traffic import fill
from signalscope.models import Loss, Rollup, Trace

TURNS, TURN_S = (1, 1) if QUICK else (6, 10)


class Server:
    """gunicorn, with signalscope or without."""

    def __init__(self, kind, *, is_bare):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}/{kind}/"
        environment = {
            **os.environ,
            "BENCHMARK_KIND": kind,
            "BENCHMARK_BARE": "1" if is_bare else "",
        }
        options = ["--workers", "2", "--threads", "8", "--bind", address, "--log-level", "error"]
        command = [sys.executable, "-m", "gunicorn", "benchmarks.wsgi:application", *options]
        self.process = subprocess.Popen(command, env=environment)
        self.request_count = 0

    def wait(self):
        """Wait until it answers."""
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"{self.url} does not answer")

    def load(self, seconds):
        """Return the requests per second that wrk counted."""
        command = ["wrk", "-t", "1", "-c", "16", "-d", f"{seconds}s", self.url]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise RuntimeError(output)
        self.request_count += int(re.search(r"(\d+) requests in", output)[1])
        return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])

    def stop(self):
        """End it as one ends a server; return the CPU time it took per request, in µs."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.terminate()
        self.process.wait(30)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return cpu_s / max(self.request_count, 1) * 1e6


def main(kind, engine):
    """Print the table; return whether the bar holds."""
    if shutil.which("wrk") is None:
        skip("there is no wrk; try: apt-get install wrk")
    fill()
    connection.close()
    servers = {}
    found = {"bare": [], "scoped": []}
    try:
        for name in found:
            servers[name] = Server(kind, is_bare=name == "bare")
        for server in servers.values():
            server.wait()
            server.load(1 if QUICK else 3)
        for turn in range(TURNS):
            # Each is the first one as often as the other.
            for name in sorted(found, reverse=bool(turn % 2)):
                found[name].append(servers[name].load(TURN_S))
    finally:
        cpu_us = [server.stop() for server in servers.values()]
    head(f"requests per second, {TURNS} times {TURN_S} s", "bare", "scoped")
    medians = [statistics.median(found[name]) for name in ("bare", "scoped")]
    holds = row(f"{kind} request, {engine}", *medians, 0.95, is_least=True)
    row("CPU of the server per request, µs", *cpu_us)
    calls = Rollup.objects.aggregate(calls=Sum("call_count"))["calls"] or 0
    lost = Loss.objects.aggregate(calls=Sum("call_count"), traces=Sum("trace_count"))
    print(
        f"    recorded: {calls:,} calls in roll-ups, {Trace.objects.count():,} traces; "
        f"lost: {lost['calls'] or 0:,} calls, {lost['traces'] or 0:,} traces"
    )
    return holds


if __name__ == "__main__":
    finish(main(KIND, ENGINE))
