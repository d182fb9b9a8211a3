"""
What the bulk manager costs: bulk_create() of many rows, heard by one receiver, beside Django's.

    python -m benchmarks.bench_bulk

Each time in a transaction that is rolled back.
"""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure()

import gc
from time import process_time_ns

from django.db import models, transaction

from benchmarks.models import Product
from benchmarks.side_by_side import compare, finish, head, show
from signalscope.bulk import BulkSignalManager, bulk_created

COUNT = 10_000


class RollBack(Exception):
    """Ends a transaction without a trace."""


def make_manager(manager):
    """Return a manager of products that is no attribute of their class."""
    manager.model = Product
    return manager


def create(manager, instances):
    """Create the instances, and roll back."""
    try:
        with transaction.atomic():
            manager.bulk_create(instances)
            raise RollBack
    except RollBack:
        pass


def main():
    """Print the table; return whether the bar holds."""
    heard = []

    def receive(sender, instances, **kwargs):
        heard.append(len(instances))

    bulk_created.connect(receive, sender=Product)
    instances = []

    def make_instances(kind):
        # Made anew: those that were created have keys.
        instances[:] = [Product(name=f"product {number}") for number in range(COUNT)]
        # Else a collection falls into one of the works now and then.
        gc.collect()

    works = {
        "django": lambda: create(make_manager(models.Manager()), instances),
        "bulk": lambda: create(make_manager(BulkSignalManager()), instances),
    }
    django_ns, bulk_ns = compare(works, rounds=100, before=make_instances, clock=process_time_ns)
    head(f"bulk_create() of {COUNT:,}", "django µs", "heard µs")
    holds = show("one row, one receiver", django_ns, bulk_ns, 1.05, per=COUNT)
    return holds and set(heard) == {COUNT}


if __name__ == "__main__":
    finish(main())
