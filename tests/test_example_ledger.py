"""The example's payments reach the ledger exactly once, whatever is killed meanwhile."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from tests.browser import example

PAYMENT_COUNT = 4
TIMEOUT_S = 60

# A web process that is killed right after it has committed some payments, before anything else.
PAY_AND_DIE = f"""
import os
from decimal import Decimal
from django.contrib.auth import get_user_model
from django.db import transaction
from payments.models import Payment
from shop.models import Order, Product
from shop.orders import place_order

customer = get_user_model().objects.get()
with transaction.atomic():
    transaction.on_commit(lambda: os._exit(0))
    for quantity in range(1, {PAYMENT_COUNT} + 1):
        order = place_order(customer, Product.objects.get(slug="assam"), quantity)
        Payment.objects.create(order=order, amount=order.total)
"""


@pytest.fixture
def database(tmp_path):
    """A database file with payments whose bookings are promised, and nothing more."""
    path = tmp_path / "example.sqlite3"
    example.run("manage.py", "migrate", "--verbosity", "0", database=path)
    example.run("manage.py", "seed", database=path)
    example.run("manage.py", "shell", "--no-imports", "-c", PAY_AND_DIE, database=path)
    return path


def ask(database, sql):
    """Return the rows of a query."""
    with closing(sqlite3.connect(database, timeout=TIMEOUT_S)) as connection:
        return connection.execute(sql).fetchall()


def deliveries(database):
    """Return state, attempts and lapses of each promise to book, the oldest first."""
    return ask(
        database,
        "SELECT state, attempts, lapse_count FROM signalscope_delivery"
        " WHERE queue = 'ledger' ORDER BY id",
    )


def booked(database):
    """Return how often each payment is booked, by its key."""
    return dict(
        ask(database, "SELECT payment_id, count(*) FROM payments_ledgerentry GROUP BY payment_id")
    )


@contextmanager
def worker(database, **more):
    """Let a worker for the ledger run during a block; it is killed at the end, if it still runs."""
    command = [sys.executable, "manage.py", "signalscope", "deliver", "--queue", "ledger"]
    process = subprocess.Popen(
        command,
        cwd=example.FOLDER,
        env={**example.environment(database), **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(is_so, process):
    """Wait for something while a worker runs."""
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert process.poll() is None, "The worker has ended."
        assert time.monotonic() < deadline, "It took too long."
        time.sleep(0.02)


def test_worker_is_killed_while_it_books(database):
    """
    A booking whose worker is killed is taken up by the next one, and is not made twice.

    The process that took the payments was killed as well, before it handed over any of them.
    """
    assert deliveries(database) == [("pending", 0, 0)] * PAYMENT_COUNT
    with worker(database, LEDGER_ANSWER_S="600") as first:
        # The service has booked it, and the worker still waits for the answer.
        wait_until(lambda: booked(database), first)
        first.send_signal(signal.SIGKILL)
        assert first.wait(TIMEOUT_S) == -signal.SIGKILL
    assert sorted(deliveries(database)) == [
        *[("pending", 0, 0)] * (PAYMENT_COUNT - 1),
        ("running", 1, 0),
    ]
    assert list(booked(database).values()) == [1]

    with worker(database) as second:
        wait_until(lambda: {row[0] for row in deliveries(database)} == {"done"}, second)
        second.send_signal(signal.SIGTERM)
        assert second.wait(TIMEOUT_S) == 0
    assert sorted(deliveries(database)) == [
        *[("done", 1, 0)] * (PAYMENT_COUNT - 1),
        ("done", 2, 1),
    ]
    payments = [key for (key,) in ask(database, "SELECT id FROM payments_payment")]
    assert len(payments) == PAYMENT_COUNT
    assert booked(database) == dict.fromkeys(payments, 1)
