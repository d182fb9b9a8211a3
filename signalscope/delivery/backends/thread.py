"""Runs jobs in a few threads of this process; what waits is lost when the process is killed."""

from __future__ import annotations

import atexit
import heapq
import logging
import os
import threading
import time
from itertools import count

from django.db import connections

from signalscope.conf import get_conf
from signalscope.core.masks import block_signals
from signalscope.delivery.handing import lose
from signalscope.delivery.jobs import FAILURES, Job
from signalscope.delivery.runs import run_job
from signalscope.exceptions import QueueFull, UnreadablePayload

logger = logging.getLogger("signalscope.delivery")

Due = tuple[float, int, Job]


class Pool:
    """
    Threads that run jobs when these are due.

    max_threads: how many there may be; max_waiting: how many jobs may wait for them.
    """

    def __init__(self, max_threads: int = 4, max_waiting: int = 10_000) -> None:
        self._max_threads = max_threads
        self._max_waiting = max_waiting
        self._numbers = count()
        self.forget()

    def forget(self) -> None:
        """Begin anew in a forked child: threads and jobs are the parent's."""
        self._changed = threading.Condition()
        self._waiting: list[Due] = []
        self._running: dict[int, Job] = {}
        self._thread_count = self._idle_count = 0
        self._is_ending = False

    def put(self, job: Job) -> None:
        """Let a job wait until it is due; raises QueueFull where too many do."""
        with self._changed:
            if self._is_ending:
                raise QueueFull("this process is about to end")
            if len(self._waiting) >= self._max_waiting:
                raise QueueFull(
                    f"{self._max_waiting} calls wait for the threads of this process already; "
                    "let a queue take them: DELIVERY = {'backend': 'celery'} or 'tasks'"
                )
            # One that is idle may have been woken for another job already.
            if self._idle_count <= len(self._waiting) and self._thread_count < self._max_threads:
                self._start_thread()
            due = time.monotonic() + job.delay_s, next(self._numbers), job
            heapq.heappush(self._waiting, due)
            self._changed.notify_all()

    def stop(self, timeout_s: float) -> None:
        """Run what is due or running, for so long at most, and give up what is left for good."""
        ends_at = time.monotonic() + timeout_s
        with self._changed:
            self._is_ending = True
            while self._running or self._is_first_due():
                if not self._changed.wait(ends_at - time.monotonic()):
                    break
            left = [*self._running.values(), *(job for _, _, job in self._waiting)]
            # It is lost once, however often the end is told of.
            self._running, self._waiting = {}, []
        for job in left:
            lose(job, TimeoutError("the process ended before its run was over"))

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="signalscope-deferred", daemon=True)
        try:
            thread.start()
            self._thread_count += 1
        except RuntimeError:
            # The interpreter is about to end, and the threads that there are go on.
            if not self._thread_count:
                raise

    def _is_first_due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= time.monotonic()

    def _work(self) -> None:
        block_signals()
        try:
            while True:
                number, job = self._take()
                try:
                    self._run(job)
                finally:
                    with self._changed:
                        self._running.pop(number, None)
                        self._changed.notify_all()
        finally:
            with self._changed:
                self._thread_count -= 1

    def _take(self) -> tuple[int, Job]:
        """Wait for a job that is due."""
        with self._changed:
            self._idle_count += 1
            while not self._is_first_due():
                pause_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                self._changed.wait(pause_s)
            self._idle_count -= 1
            _, number, job = heapq.heappop(self._waiting)
            self._running[number] = job
            return number, job

    def _run(self, job: Job) -> None:
        try:
            run_job(job)
        except UnreadablePayload:
            # Logged where it was read.
            pass
        except FAILURES as error:
            self._retry(job, error)
        finally:
            connections.close_all()

    def _retry(self, job: Job, error: BaseException) -> None:
        following = job.again()
        if following is None:
            logger.error("A call of %s has failed.", job.name, exc_info=error)
            return
        logger.warning(
            "A call of %s has failed; it is tried again in %.1f s.",
            job.name,
            following.delay_s,
            exc_info=error,
        )
        try:
            self.put(following)
        except QueueFull as full:
            lose(following, full)


pool = Pool()
enqueue = pool.put


def can_delay() -> bool:
    """Tell whether jobs can wait: here they can."""
    return True


def _stop() -> None:
    pool.stop(get_conf().exit_timeout_s)


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
