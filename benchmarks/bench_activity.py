"""
What the activity log of models costs, with all models of the heavy request tracked.

    python -m benchmarks.bench_activity

Beside it stand bare Django, and what else stores the changes of models with all of them
registered. Each is in a process of its own, as in bench_peers.py. The request is committed.
"""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure()

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

import signalscope
from benchmarks.bench_peers import label, measure
from benchmarks.models import Product
from benchmarks.side_by_side import finish, head, row, show

NAMES = (
    "bare",
    "signalscope, tracking",
    "signalscope, after_commit",
    "django-auditlog",
    "django-easy-audit",
)
BARS = {"signalscope, tracking": 1.80, "signalscope, after_commit": 1.40}


def compare_requests():
    """Print the times of a request; return whether the bars hold."""
    bare, *peers = measure(NAMES, "heavy")
    head("heavy request, all models tracked", ours="theirs µs")
    held = []
    for peer in peers:
        if peer.error:
            print(f"{label(peer.name)} does not work here: {peer.error}")
            held.append(peer.name not in BARS)
            continue
        bar = BARS.get(peer.name)
        held.append(show(f"{label(peer.name)}: wall", bare.wall_ns, peer.wall_ns, bar))
        show(f"{label(peer.name)}: CPU", bare.cpu_ns, peer.cpu_ns, None)
    return all(held)


def statements_of_update():
    """Return how many statements a transaction has that saves a loaded and changed product."""
    product = Product.objects.get()
    product.stock -= 1
    # The entry is written as the block ends.
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        product.save()
    return len(queries)


def compare_statements():
    """Print how many statements an update is; return whether tracking adds one at most."""
    Product.objects.create(name="product")
    bare = statements_of_update()
    signalscope.track(Product)
    head("statements", "bare", "tracked")
    return row("an update of a loaded instance", bare, statements_of_update(), (bare + 1) / bare)


def main():
    """Print both tables; return whether the bars hold."""
    return all([compare_requests(), compare_statements()])


if __name__ == "__main__":
    finish(main())
