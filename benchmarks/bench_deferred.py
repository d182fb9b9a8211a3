"""
What it costs to put a call off by Celery, beside a plain task with the same arguments.

    python -m benchmarks.bench_deferred

The messages go to Redis, at REDIS_URL, and nobody takes them. Both are sent as in a request: in a
trace, for a user. The bar holds for the CPU's time: to wait for Redis takes as long either way, and
varies with whatever else the machine does.
"""

import os
import uuid
from time import perf_counter_ns, process_time_ns

from benchmarks.setup import configure

if __name__ == "__main__":
    configure()

import redis
from celery import Celery

import signalscope
from benchmarks.deferring import order_paid
from benchmarks.side_by_side import compare, finish, head, show

REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
PREFIX = f"signalscope-bench-{uuid.uuid4().hex}-"
COUNT = 5
ARGUMENTS = {
    "order_id": 7,
    "number": "2025-0001",
    "is_paid": True,
    "lines": [{"product": "tea", "quantity": 2}, {"product": "pot", "quantity": 1}],
}

app = Celery("bench", broker=REDIS)
app.conf.update(task_ignore_result=True, broker_transport_options={"global_keyprefix": PREFIX})


@app.task
def send_receipt(order_id, number, is_paid, lines):
    """Stand for what is done in a worker."""


def queue_tasks():
    """Queue plain tasks."""
    for _ in range(COUNT):
        send_receipt.delay(**ARGUMENTS)


def send_signals():
    """Send a signal whose receiver is deferred."""
    for _ in range(COUNT):
        order_paid.send(sender=None, **ARGUMENTS)


def main():
    """Print the table; return whether the bar holds."""
    with redis.Redis.from_url(REDIS) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            print(f"Redis does not answer at {REDIS}: nothing is measured")
            return True
        works = {"task": queue_tasks, "deferred": send_signals}
        try:
            with signalscope.trace("bench"), signalscope.SignalContext.use(user="ann"):
                wall, cpu = (
                    compare(works, clock=clock, after=lambda kind: client.delete(f"{PREFIX}celery"))
                    for clock in (perf_counter_ns, process_time_ns)
                )
        finally:
            for key in client.scan_iter(f"{PREFIX}*"):
                client.delete(key)
    head("one call that is put off", "delay() µs", "deferred µs")
    show("Celery, with Redis: wall", *wall, None, per=COUNT)
    return show("Celery, with Redis: CPU", *cpu, 1.5, per=COUNT)


if __name__ == "__main__":
    finish(main())
