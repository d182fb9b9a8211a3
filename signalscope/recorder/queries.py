"""Attributes each SQL statement to the call that ran it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any

from signalscope.core.faults import fault
from signalscope.recorder.strands import DISCARD, LOOSE, running_strand


class QueryWatcher:
    """
    Goes into the execute wrappers of the project's connections.

    spill: makes room in a list that has grown beyond max_length.
    """

    def __init__(self, spill: Callable[[list[Any]], None], max_length: int) -> None:
        self._spill = spill
        self._max_length = max_length

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run the statement and note it, without its parameters."""
        started = perf_counter_ns()
        try:
            return execute(sql, params, many, context)
        finally:
            try:
                top = running_strand().top
                if top is not LOOSE and top is not DISCARD:
                    text = sql if type(sql) is str else type(sql).__qualname__
                    top.append(("query", text, perf_counter_ns() - started))
                    if len(top) > self._max_length:
                        self._spill(top)
            except Exception as error:  # noqa: BLE001
                fault("noting a query", error)

    def watch(self, connections: Iterable[Any]) -> None:
        """Watch these connections from now on."""
        for connection in connections:
            if self not in connection.execute_wrappers:
                connection.execute_wrappers.append(self)

    def unwatch(self, connections: Iterable[Any]) -> None:
        """Watch these connections no longer."""
        for connection in connections:
            if self in connection.execute_wrappers:
                connection.execute_wrappers.remove(self)
