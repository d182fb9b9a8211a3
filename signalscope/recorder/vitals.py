"""What a process's writer knows of its own health, for the row of its process."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from signalscope.core.faults import fault
from signalscope.core.keys import Keys
from signalscope.core.redact import error_type
from signalscope.recorder.batch import Batch
from signalscope.recorder.recorder import Recorder

# A busy process reports so often, an idle one so seldom: that it is alive is worth a row's update.
REPORT_EVERY_S = 10.0
HEARTBEAT_S = 60.0
_MANAGEMENT = frozenset({"manage.py", "django-admin"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What recording adds to the project's own time, in ns: per dispatch and per trace."""

    dispatch_ns: int = 0
    trace_ns: int = 0


class Vitals:
    """
    Counts of one process since it began to record.

    version: of signalscope.
    measure_cost: called once, before the first report, in the writer's thread.
    patched_by: returns who else changed Signal's methods.
    """

    def __init__(
        self,
        *,
        version: str = "",
        measure_cost: Callable[[], Cost] = Cost,
        patched_by: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._version = version
        self._measure_cost = measure_cost
        self._patched_by = patched_by
        self._cost: Cost | None = None
        self._reported_s: float | None = None
        self._has_news = False
        keys = Keys()
        keys.turn()
        self._key = keys.next()
        self._started_at = datetime.now(UTC)
        self._flush_count = self._failure_count = 0
        self._flush_ns = self._max_flush_ns = 0
        self._writer_ns = 0
        self._stored_count = 0
        self._lost_traces = self._lost_calls = 0
        self._is_failing = False
        self._error = ""
        self._error_at: datetime | None = None

    def forget(self) -> Vitals:
        """Return those of a forked child, which begin anew; what was measured holds there, too."""
        child = Vitals(
            version=self._version, measure_cost=self._measure_cost, patched_by=self._patched_by
        )
        child._cost = self._cost
        return child

    def stored(self, batch: Batch, duration_ns: int) -> None:
        """Note that a batch was stored."""
        self._has_news = True
        self._is_failing = False
        self._flush_count += 1
        self._flush_ns = duration_ns
        self._max_flush_ns = max(self._max_flush_ns, duration_ns)
        self._stored_count += len(batch.traces)
        if batch.loss is not None:
            self._lost_traces += batch.loss.trace_count
            self._lost_calls += batch.loss.call_count

    def failed(self, error: Exception) -> None:
        """Note that a batch could not be stored."""
        self._has_news = True
        self._is_failing = True
        self._failure_count += 1
        first_line = str(error).strip().partition("\n")[0]
        self._error = f"{error_type(error)}: {first_line}"
        self._error_at = datetime.now(UTC)

    def worked(self, duration_ns: int) -> None:
        """Add processor time that a turn of the writer took."""
        self._writer_ns += duration_ns

    def is_due(self, *, is_ended: bool) -> bool:
        """Tell whether to report; a process that recorded nothing never does."""
        if self._reported_s is None:
            return self._has_news
        pause_s = REPORT_EVERY_S if self._has_news else HEARTBEAT_S
        return is_ended or time.monotonic() - self._reported_s >= pause_s

    def report(self, recorder: Recorder, **values: object) -> dict[str, Any]:
        """
        Return the row of this process, by the names of models.Process's fields.

        values: what the writer knows: interval_s, waiting_count and is_ended.
        """
        self._reported_s = time.monotonic()
        self._has_news = False
        if self._cost is None:
            self._cost = self._measured()
        cost, traced = self._cost, recorder.traced
        return {
            "id": self._key,
            "name": process_name(),
            "command": command(sys.argv),
            "version": self._version,
            "patched_by": ", ".join(self._patched_by()),
            "started_at": self._started_at,
            "seen_at": datetime.now(UTC),
            "is_failing": self._is_failing,
            "buffer_bytes": recorder.buffer.byte_count,
            "flush_count": self._flush_count,
            "failure_count": self._failure_count,
            "flush_ns": self._flush_ns,
            "max_flush_ns": self._max_flush_ns,
            "error": self._error,
            "error_at": self._error_at,
            "lost_traces": self._lost_traces + recorder.lost_traces,
            "lost_calls": self._lost_calls + recorder.rollups.lost_calls,
            "stored_count": self._stored_count,
            "trace_count": traced.trace_count,
            "dispatch_count": traced.dispatch_count,
            "dispatch_ns": cost.dispatch_ns,
            "scope_ns": (
                traced.dispatch_count * cost.dispatch_ns + traced.trace_count * cost.trace_ns
            ),
            "writer_ns": self._writer_ns,
            "traced_ns": traced.duration_ns,
            **values,
        }

    def _measured(self) -> Cost:
        try:
            return self._measure_cost()
        except Exception as error:  # noqa: BLE001
            fault("measuring what it costs", error)
            return Cost()


def process_name() -> str:
    """Return the name of this process: host and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def command(arguments: Sequence[str]) -> str:
    """
    Return the program's name, with that of a management command: "gunicorn", "manage.py shell".

    No other word of a command line is kept: it may be anybody's name or secret.
    """
    path = Path(arguments[0]) if arguments else Path()
    # python -m package
    name = path.parent.name if path.name == "__main__.py" else path.name
    words = [word for word in arguments[1:] if not word.startswith("-")]
    if words and (name in _MANAGEMENT or (name == "django" and path.name == "__main__.py")):
        return f"{name} {words[0]}"
    return name if name not in ("", "-c", "-m") else "python"
