"""Durable receivers that note each of their runs in a table of their own."""

import os
import time

from django.db import connection, transaction
from django.dispatch import Signal, receiver

from signalscope import deferred

numbered = Signal()
grouped = Signal()


def note_run(number):
    """Note when it begins, and when it ends."""
    started = time.time()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO runs (number, process, started) VALUES (%s, %s, %s)",
            [number, os.getpid(), started],
        )
        time.sleep(float(os.environ.get("SITE_PAUSE_S", "0.002")))
        cursor.execute(
            # A run of the same number before it may have been cut short in this process.
            "UPDATE runs SET ended = %s WHERE number = %s AND process = %s AND started = %s",
            [time.time(), number, os.getpid(), started],
        )


@receiver(numbered)
@deferred(durable=True)
def run_numbered(number, **kwargs):
    """Run in any order."""
    note_run(number)


@receiver(grouped)
@deferred(durable=True, order_by="group")
def run_grouped(number, group, **kwargs):
    """Run in the order of the group."""
    note_run(number)


def send(*numbers, groups=0):
    """Send once for each number; into so many groups, one after another."""
    for number in numbers:
        if groups:
            grouped.send(sender=None, number=number, group=number % groups)
        else:
            numbered.send(sender=None, number=number)


def send_in_tens(first, last):
    """Send for the numbers from the first to before the last, ten in a transaction."""
    for number in range(first, last, 10):
        with transaction.atomic():
            send(*range(number, number + 10))


def send_and_die(count, groups=0):
    """Send in one transaction, and be killed after its commit, before anything is handed over."""
    with transaction.atomic():
        transaction.on_commit(lambda: os.kill(os.getpid(), 9))
        send(*range(count), groups=groups)
