"""Keeps signals of the operating system away from signalscope's own threads."""

from __future__ import annotations

import signal

# These come from the thread's own instructions, and cannot wait.
_FAULTS = {"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP"}


def block_signals() -> None:
    """
    Let no signal be delivered to the running thread, so that the project's own threads get it.

    One that is blocked there and waited for, as by signal.sigwait(), would end the process here.
    """
    if hasattr(signal, "pthread_sigmask"):
        wanted = {number for number in signal.Signals if number.name not in _FAULTS}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
