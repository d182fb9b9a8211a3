"""A trace: the dispatches of one unit of work."""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from signalscope.context import NOBODY, Context
from signalscope.core.keys import Keys
from signalscope.core.variables import leave
from signalscope.recorder.strands import CURRENT, Branch, ClosedBranch, Strand, Tap

if TYPE_CHECKING:
    from contextvars import Token

    from signalscope.recorder.tree import Tree


class Traced:
    """How many traces ended, how many dispatches they had, and how long they took, in ns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.trace_count = self.dispatch_count = self.duration_ns = 0

    def add(self, dispatch_count: int, duration_ns: int | None) -> None:
        """Add dispatches of a trace, and the trace; duration_ns is None until its end."""
        with self._lock:
            self.dispatch_count += dispatch_count
            if duration_ns is not None:
                self.trace_count += 1
                self.duration_ns += duration_ns


class Origin(Protocol):
    """What began a trace; it is asked only where somebody wants to know."""

    def name(self) -> str:
        """Return what the trace is called."""

    def correlation_id(self) -> str:
        """Return what ties it to traces of other processes, "" for nothing."""


class Trace(Branch):
    """
    The finished dispatches of a unit of work, in order, until the writer takes them.

    trigger: request, command, task, test, block, or dispatch for one outside of all of these.
    origin: tells name and correlation id until the trace has ended.
    is_sampled: whether it is in the share that is kept; None until that is decided.
    reason: why it is stored as rows, "" as long as there is none; roll-ups count it either way.
    held_count: dispatches handed over before it ended, in case there will be a reason.
    left_out_count: dispatches that were only counted, since there were too many to hold.
    status: ok, error, or unfinished where its end was never seen.
    context: who is behind it, as far as that is known.
    actor: what remains of that once the trace has ended.
    """

    __slots__ = (
        "_correlation_id",
        "_keys",
        "_name",
        "actor",
        "context",
        "ended_ns",
        "held_count",
        "is_sampled",
        "left_out_count",
        "on_abandoned",
        "origin",
        "reason",
        "started_ns",
        "status",
        "token",
        "tree",
        "trigger",
    )
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def __init__(
        self, trigger: str, name: str = "", correlation_id: str = "", origin: Origin | None = None
    ) -> None:
        # No super().__init__(): a list needs none, and this runs once per request.
        self.trigger = trigger
        self.origin = origin
        self._name = name
        self._correlation_id = correlation_id
        self._keys: list[int] = []
        self.context: Context | None = None
        self.actor = NOBODY
        self.is_sampled: bool | None = None
        self.reason = ""
        self.held_count = self.left_out_count = 0
        self.status = "ok"
        self.started_ns = perf_counter_ns()
        self.ended_ns = 0
        self.token: Token[Strand | None] | None = None
        self.tree: Tree | None = None
        self.on_abandoned: Any = None

    def find_name(self) -> str:
        """Return what the trace is called."""
        if self.origin is not None and not self._name:
            self._name = self.origin.name()
        return self._name

    def find_correlation_id(self) -> str:
        """Return what ties the trace to others of the same work, "" for nothing."""
        if self.origin is not None and not self._correlation_id:
            self._correlation_id = self.origin.correlation_id()
        return self._correlation_id

    def rename(self, origin: Origin) -> None:
        """Let another origin tell the name and the correlation id."""
        self.origin = origin
        self._name = self._correlation_id = ""

    def share_correlation_id(self) -> str:
        """Return the correlation id, a new one where there is none, for work done elsewhere."""
        if not self.find_correlation_id():
            self._correlation_id = uuid4().hex
        return self._correlation_id

    @property
    def key(self) -> int | None:
        """The key that its row gets, where something refers to it; see refer()."""
        return self._keys[0] if self._keys else None

    def refer(self, reason: str) -> int:
        """Return the key that its row will have; reason: why it is kept for what refers to it."""
        if not self._keys:
            # Of several threads that come here at once, the first one's counts.
            keys = Keys()
            keys.turn()
            self._keys.append(keys.next())
        if not self.ended_ns:
            self.reason = self.reason or reason
        return self._keys[0]

    @property
    def duration_ns(self) -> int:
        """How long it took, once it is closed."""
        return self.ended_ns - self.started_ns

    def close(self) -> None:
        """Note the end; what is dispatched from now on belongs to no trace."""
        self.ended_ns = perf_counter_ns()
        self.__class__ = ClosedTrace

    def enter(self) -> None:
        """Let dispatches of this context come here."""
        self.token = CURRENT.set(Strand(self, self))

    def leave(self) -> None:
        """Let dispatches of this context go where they went before."""
        token, self.token = self.token, None
        if token is not None:
            leave(token)

    def __del__(self) -> None:
        if self.on_abandoned is not None and not isinstance(self, ClosedTrace):
            self.on_abandoned(self)


def enclosing_trace(base: list[Any]) -> Trace | None:
    """Return the trace that a strand began with, also below what a panel put around it."""
    while isinstance(base, Tap):
        base = base.below
    return base if isinstance(base, Trace) else None


class ClosedTrace(ClosedBranch, Trace):
    """A Trace after its close()."""

    __slots__ = ()
