"""The part of the page Signals that tells how signalscope itself is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from signalscope import __version__, wiring
from signalscope.formatting import duration, percent, size
from signalscope.stats.health import ProcessHealth, State, health
from signalscope.stats.tables import Precision, TableSize

STATES: dict[State, Promise] = {
    State.FAILING: _("cannot store"),
    State.SILENT: _("silent"),
    State.ALIVE: _("alive"),
    State.ENDED: _("ended"),
}
ROWS: dict[Precision, Promise] = {
    Precision.EXACT: _("%(count)s"),
    Precision.ABOUT: _("about %(count)s"),
    Precision.OVER: _("over %(count)s"),
}
_CSS = {State.FAILING: " error", State.SILENT: " error", State.ALIVE: " called", State.ENDED: ""}
# What needs a look comes first; processes that ended are only counted.
_ORDER = list(STATES)
MAX_PROCESSES = 20


def context(*, since: datetime, using: str) -> dict[str, Any]:
    """Return what the part shows; four queries, whatever it shows."""
    found = health(since=since, using=using)
    processes = [process for process in found.processes if process.state != State.ENDED]
    processes.sort(key=lambda process: _ORDER.index(process.state))
    why_off = wiring.why_off()
    others = {
        other
        for process in found.processes
        for other in process.row.patched_by.split(", ")
        if other
    }
    return {
        "version": __version__,
        "why_off": why_off,
        "is_trouble": bool(why_off or found.count(State.FAILING) or found.count(State.SILENT)),
        "patched_by": sorted({*wiring.patched_by(), *others}),
        "states": [
            {"label": label, "count": found.count(state), "css": _CSS[state]}
            for state, label in STATES.items()
            if found.count(state)
        ],
        "processes": [_process(process) for process in processes[:MAX_PROCESSES]],
        "hidden_count": max(len(processes) - MAX_PROCESSES, 0),
        "losses": found.losses,
        "last_error": found.last_error,
        "cost": None if found.share is None else percent(found.share),
        "tables": [_table(table) for table in found.tables.sizes],
        "has_sizes": any(table.byte_count is not None for table in found.tables.sizes),
        "size": None if found.tables.byte_count is None else size(found.tables.byte_count),
        "is_whole_database": found.tables.is_whole_database,
    }


def _process(process: ProcessHealth) -> dict[str, Any]:
    row = process.row
    return {
        "row": row,
        "state": STATES[process.state],
        "css": _CSS[process.state],
        "buffer": size(row.buffer_bytes),
        "last": duration(row.flush_ns),
        "longest": duration(row.max_flush_ns),
    }


def _table(table: TableSize) -> dict[str, Any]:
    return {
        "name": table.name,
        "rows": str(ROWS[table.precision]) % {"count": f"{table.row_count:,}"},
        "size": "" if table.byte_count is None else size(table.byte_count),
    }
