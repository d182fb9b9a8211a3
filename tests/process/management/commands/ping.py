"""Sends signals from a command, in several ways."""

import multiprocessing
import os

from django.core.management.base import BaseCommand

from tests.process.receivers import ping


def send_some():
    """Send ten signals."""
    for _ in range(10):
        ping.send(sender=None)


class Command(BaseCommand):
    """Send signals, and end as asked."""

    def add_arguments(self, parser):
        """Say how to end."""
        parser.add_argument("how", choices=["return", "raise", "fork", "multiprocessing"])

    def handle(self, *, how, **options):
        """Send ten signals, in children as well."""
        send_some()
        if how == "raise":
            raise KeyError("on purpose")
        if how == "fork":
            child = os.fork()
            if child == 0:
                send_some()
                # As a forked server's worker ends: by the interpreter's own exit.
                raise SystemExit(0)
            os.waitpid(child, 0)
        if how == "multiprocessing":
            process = multiprocessing.get_context("fork").Process(target=send_some)
            process.start()
            process.join()
