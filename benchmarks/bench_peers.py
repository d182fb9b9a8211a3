"""
The requests under what else looks at signals or requests, each alone in a process of its own.

    python -m benchmarks.bench_peers heavy|light

The processes take turns, so that a slow moment of the machine hits all of them. CPU is that of
all threads of the process. There are no bars: they do different things.
"""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from benchmarks.side_by_side import QUICK, finish

NAMES = (
    "bare",
    "signalscope",
    "signalscope, all stored",
    "sentry-sdk",
    "django-silk",
    "django-auditlog",
    "django-easy-audit",
)
# Requests per turn: what a writer's turn of 10 s has, as in bench_request.py.
PER_TURN = {"heavy": 20, "light": 50} if QUICK else {"heavy": 100, "light": 500}
TURNS = 2 if QUICK else 10


class Peer:
    """One of the processes; error: why it does not work, "" where it does."""

    def __init__(self, name, kind):
        self.name = name
        self.wall_ns = self.cpu_ns = float("inf")
        command = [sys.executable, "-m", "benchmarks.peer", name, kind]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, **pipes, text=True)
        self.error = ""
        if self.process.stdout.readline() != "ready\n":
            # The last line says which error it was.
            self.error = (self.process.communicate()[1].strip().splitlines() or ["it ended"])[-1]

    def take_turn(self, number):
        """Let it answer so many requests."""
        if self.error:
            return
        self.process.stdin.write(f"{number}\n")
        self.process.stdin.flush()
        wall, cpu = self.process.stdout.readline().split()
        self.wall_ns = min(self.wall_ns, int(wall) / number)
        self.cpu_ns = min(self.cpu_ns, int(cpu) / number)

    def stop(self):
        """Let it end."""
        if self.process.returncode is None:
            self.process.communicate()


def label(name):
    """Return a peer's name with its version."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def measure(names, kind):
    """Return peers by these names that have answered in turn, the first one first in each."""
    peers = [Peer(name, kind) for name in names]
    try:
        for _ in range(TURNS):
            for peer in peers:
                peer.take_turn(PER_TURN[kind])
    finally:
        for peer in peers:
            peer.stop()
    return peers


def main(kind):
    """Print the table; return True: there is no bar."""
    peers = measure(NAMES, kind)
    title = {"heavy": "heavy request, committed", "light": "light request"}[kind]
    print(f"\n{title:<36} {'wall µs':>10} {'ratio':>6} {'CPU µs':>10} {'ratio':>6}")
    bare = peers[0]
    for peer in peers:
        if peer.error:
            print(f"{label(peer.name):<36} does not work here: {peer.error}")
            continue
        wall, cpu = peer.wall_ns / bare.wall_ns, peer.cpu_ns / bare.cpu_ns
        print(
            f"{label(peer.name):<36} {peer.wall_ns / 1e3:>10.0f} {wall:>6.2f} "
            f"{peer.cpu_ns / 1e3:>10.0f} {cpu:>6.2f}"
        )
    return True


if __name__ == "__main__":
    finish(main(sys.argv[1]))
