"""A trace: the dispatches of one unit of work."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from signalscope.recorder.strands import CURRENT, Branch, ClosedBranch, Strand, leave

if TYPE_CHECKING:
    from contextvars import Token

    from signalscope.recorder.tree import Tree


class Trace(Branch):
    """
    The finished dispatches of a unit of work, in order, until the writer takes them.

    trigger: request, command, task, test, block, or dispatch for one outside of all of these.
    is_kept: whether it is stored as rows; roll-ups count it either way.
    status: ok, error, or unfinished where its end was never seen.
    """

    __slots__ = (
        "ended_ns",
        "is_kept",
        "name",
        "on_abandoned",
        "started_ns",
        "status",
        "token",
        "tree",
        "trigger",
    )
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def __init__(self, trigger: str, name: str, *, is_kept: bool) -> None:
        # No super().__init__(): a list needs none, and this runs once per request.
        self.trigger = trigger
        self.name = name
        self.is_kept = is_kept
        self.status = "ok"
        self.started_ns = perf_counter_ns()
        self.ended_ns = 0
        self.token: Token[Strand | None] | None = None
        self.tree: Tree | None = None
        self.on_abandoned: Any = None

    def close(self) -> None:
        """Note the end; what is dispatched from now on belongs to no trace."""
        self.ended_ns = perf_counter_ns()
        self.__class__ = ClosedTrace

    def enter(self) -> None:
        """Let dispatches of this context come here."""
        self.token = CURRENT.set(Strand(self))

    def leave(self) -> None:
        """Let dispatches of this context go where they went before."""
        token, self.token = self.token, None
        if token is not None:
            leave(token)

    def __del__(self) -> None:
        if self.on_abandoned is not None and not isinstance(self, ClosedTrace):
            self.on_abandoned(self)


class ClosedTrace(ClosedBranch, Trace):
    """A Trace after its close()."""

    __slots__ = ()
