"""Hosts that fork while they record, run by test_forks.py."""

import os
import sys
import threading
import time

import django

django.setup()

import signalscope  # noqa: E402
from tests.process.management.commands.ping import send_some  # noqa: E402
from tests.process.receivers import ping  # noqa: E402


def fork_often(fork_count):
    """Fork in three threads while three others send; print how often was sent in all."""
    is_over = threading.Event()
    sent, failed = [], []

    def send():
        count = 0
        while not is_over.is_set():
            with signalscope.trace("loop"):
                ping.send(sender=None)
            count += 1
            time.sleep(0)
        sent.append(count)

    def fork():
        for _ in range(fork_count):
            child = os.fork()
            if child == 0:
                try:
                    send_some()
                    # A thread that is a child's only one ends it without Python's exit.
                    os._exit(0 if signalscope.flush(30) else 3)
                finally:
                    os._exit(4)
            status = os.waitpid(child, 0)[1]
            if status:
                failed.append(status)
            sent.append(10)

    senders = [threading.Thread(target=send) for _ in range(3)]
    forkers = [threading.Thread(target=fork) for _ in range(3)]
    for thread in (*senders, *forkers):
        thread.start()
    for thread in forkers:
        thread.join()
    is_over.set()
    for thread in senders:
        thread.join()
    assert not failed, failed
    print(sum(sent))


def fork_during_a_turn():
    """Fork while the database keeps the writer waiting; the child ends as Python ends."""
    send_some()
    answers = []
    flusher = threading.Thread(target=lambda: answers.append(signalscope.flush(60)))
    flusher.start()
    print("flushing", flush=True)
    sys.stdin.readline()
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print("forked", flush=True)
    flusher.join()
    print(answers)


globals()[sys.argv[1]](*[int(argument) for argument in sys.argv[2:]])
