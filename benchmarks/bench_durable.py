"""
What durable deliveries cost the sender: statements, and time beside a transaction without any.

    python -m benchmarks.bench_durable

The bar holds for the statements: one INSERT, and one for all of a transaction. The time is the
CPU's, as that of a commit depends on the disk; nothing is handed over, as batches are left to a
worker.
"""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure()

from functools import partial
from time import process_time_ns

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from benchmarks.deferring import order_promised
from benchmarks.side_by_side import compare, finish, head, row, show


def work(count):
    """Do some work in a transaction, and promise so many receipts."""
    with transaction.atomic():
        User.objects.update(first_name="Ann")
        for number in range(count):
            order_promised.send(sender=None, order_id=7, number=number, is_paid=True)


def statement_count(count):
    """Return how many statements so many receipts add to the work."""
    found = []
    for one in (0, count):
        with CaptureQueriesContext(connection) as seen:
            work(one)
        found.append(len(seen))
    return found[1] - found[0]


def main():
    """Print the tables; return whether the bar holds."""
    User.objects.create(username="ann")
    head("statements that deliveries add", "bar", "found")
    holds = [
        row(f"{count} in one transaction", 1, statement_count(count), 1.0) for count in (1, 100)
    ]
    head("CPU time of a transaction", "without µs", "with µs")
    for count in (1, 100):
        works = {"without": partial(work, 0), "with": partial(work, count)}
        show(f"{count} in it", *compare(works, clock=process_time_ns), None)
    return all(holds)


if __name__ == "__main__":
    finish(main())
