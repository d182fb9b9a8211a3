"""Times the statements of the project's connections, and attributes each to its call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter_ns
from typing import Any

from signalscope.core.faults import fault
from signalscope.recorder.strands import DISCARD, LOOSE, running_strand

# Is told of a statement that has ended or failed: connection, SQL, duration in ns.
Reader = Callable[[Any, str, int], None]


class QueryWatcher:
    """
    Goes into the execute wrappers of the project's connections, and tells its readers.

    readers: in the order in which they are told; none of them sees parameters.
    """

    def __init__(self) -> None:
        self._readers: Sequence[Reader] = ()

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run the statement; whatever comes out of it is passed on."""
        started = perf_counter_ns()
        try:
            return execute(sql, params, many, context)
        finally:
            duration_ns = perf_counter_ns() - started
            try:
                # Of psycopg's composed statements not even the text: it may hold values.
                text = sql if isinstance(sql, str) else type(sql).__qualname__
                for read in self._readers:
                    read(context["connection"], text, duration_ns)
            except Exception as error:  # noqa: BLE001
                fault("noting a query", error)

    def choose(self, readers: Sequence[Reader], connections: Iterable[Any]) -> None:
        """Tell these readers from now on; without any the connections are left untouched."""
        self._readers = readers
        for connection in connections:
            if readers:
                self.watch(connection)
            elif self in connection.execute_wrappers:
                connection.execute_wrappers.remove(self)

    def watch(self, connection: Any) -> None:
        """Watch a connection from now on, if anybody is told of its statements."""
        if self._readers and self not in connection.execute_wrappers:
            # In front: a wrapper of the project's for a block is taken away from the end.
            connection.execute_wrappers.insert(0, self)


class CallQueries:
    """
    Notes each statement in the record of the call that ran it.

    spill: makes room in a list that has grown beyond max_length.
    """

    def __init__(self, spill: Callable[[list[Any]], None], max_length: int) -> None:
        self._spill = spill
        self._max_length = max_length

    def read(self, connection: Any, sql: str, duration_ns: int) -> None:
        """Note a statement."""
        top = running_strand().top
        if top is not LOOSE and top is not DISCARD:
            top.append(("query", sql, duration_ns))
            if len(top) > self._max_length:
                self._spill(top)
