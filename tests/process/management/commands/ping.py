"""Sends signals from a command, in several ways."""

import multiprocessing
import os
import sys
import time

from django.core.management.base import BaseCommand

import signalscope
from tests.process.receivers import ping


def send_some():
    """Send ten signals, and log that."""
    signalscope.log("pinged")
    for _ in range(10):
        ping.send(sender=None)


def send_in_new_process():
    """Send ten signals in a process that does not know Django yet."""
    import django

    django.setup()
    send_some()


class Command(BaseCommand):
    """Send ten signals, do one of the things below, and end."""

    def add_arguments(self, parser):
        """Say what to do."""
        parser.add_argument("what")
        parser.add_argument("--method", default="fork")

    def handle(self, *, what, method, **options):
        """Send ten signals before."""
        send_some()
        getattr(self, f"do_{what}")(method)

    def do_return(self, method):
        """Return."""

    def do_raise(self, method):
        """End by an exception."""
        raise KeyError("on purpose")

    def do_exit(self, method):
        """End as a command does that says how it went."""
        sys.exit(3)

    def do_wait(self, method):
        """Wait for a signal."""
        print("ready", flush=True)
        time.sleep(60)

    def do_fork(self, method):
        """End a forked child in each way: return, sys.exit(), os._exit()."""
        for end in ("return", "exit", "_exit"):
            child = os.fork()
            if child == 0:
                send_some()
                if end == "return":
                    return
                if end == "exit":
                    sys.exit()
                assert signalscope.flush(30)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0

    def do_process(self, method):
        """Send in a process of multiprocessing, and in a child that this forks."""
        context = multiprocessing.get_context(method)
        process = context.Process(target=send_in_new_process)
        process.start()
        process.join()
        assert process.exitcode == 0

    def do_pool(self, method):
        """Send in a pool, whose end is SIGTERM."""
        with multiprocessing.get_context(method).Pool(2) as pool:
            for _ in range(4):
                pool.apply(send_in_new_process)
            processes = pool._pool
        assert {process.exitcode for process in processes} <= {0, -15}, processes

    def do_terminate(self, method):
        """Terminate a child that has sent and does not end."""
        process = multiprocessing.get_context(method).Process(target=send_and_wait)
        process.start()
        time.sleep(0.5)
        process.terminate()
        process.join()
        assert process.exitcode == -15, process.exitcode


def send_and_wait():
    """Send ten signals, and stay."""
    send_in_new_process()
    time.sleep(60)
