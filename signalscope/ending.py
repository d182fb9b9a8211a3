"""Stores what is left as a process ends, also where it ends without Python's own exit."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Callable
from typing import Any

from signalscope.sigterm import Sigterm


class Ending:
    """
    Calls store() once the process is about to end.

    store: stores what is left, within timeout_s. It may be called several times.
    """

    def __init__(self, store: Callable[[], object], *, timeout_s: float) -> None:
        self.sigterm = Sigterm(store, timeout_s=timeout_s)
        self.store = self.sigterm.store
        self._knows_children = False
        atexit.register(self.store)
        self._attend_multiprocessing()

    def attend(self, *, catches_sigterm: bool) -> None:
        """See to what SIGTERM does by now: with the app ready, and when something is recorded."""
        handler = signal.getsignal(signal.SIGTERM)
        if handler != signal.SIG_DFL:
            self._attend_uvicorn(handler)
        elif catches_sigterm:
            self.sigterm.install()

    def before_fork(self) -> None:
        """Hold SIGTERM back while a child begins."""
        self.sigterm.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let SIGTERM come again."""
        self.sigterm.after_fork_in_parent()

    def after_fork(self) -> None:
        """Begin anew in a forked child."""
        self.sigterm.after_fork()
        self._attend_multiprocessing()
        self._attend_celery()

    def _attend_multiprocessing(self) -> None:
        """A child of multiprocessing ends by os._exit(), after its own finalizers."""
        util = sys.modules.get("multiprocessing.util")
        if util is None:
            return
        if not self._knows_children:
            # A child forgets the finalizers from before it began, but runs this as it begins.
            util.register_after_fork(self, Ending._finalize)
            self._knows_children = True
        if sys.modules["multiprocessing.process"].parent_process() is not None:
            self._finalize()

    def _finalize(self) -> None:
        # Behind the project's own, which may send signals.
        sys.modules["multiprocessing.util"].Finalize(None, self.store, exitpriority=-100)

    def _attend_celery(self) -> None:
        """A pool's child ends by os._exit(), after this signal of Celery's."""
        signals = sys.modules.get("celery.signals")
        if signals is not None:
            signals.worker_process_shutdown.connect(
                self._celery_child_ends, weak=False, dispatch_uid="signalscope"
            )

    def _celery_child_ends(self, **kwargs: object) -> None:
        self.store()

    def _attend_uvicorn(self, handler: Any) -> None:
        """A server of uvicorn that loads the app ends by SIGTERM's default action."""
        module = sys.modules.get("uvicorn.server")
        server = getattr(handler, "__self__", None)
        if module is None or not isinstance(server, module.Server) or "shutdown" in vars(server):
            return
        shutdown = server.shutdown

        async def shutdown_and_store(*args: Any, **kwargs: Any) -> None:
            try:
                await shutdown(*args, **kwargs)
            finally:
                self.store()

        server.shutdown = shutdown_and_store
