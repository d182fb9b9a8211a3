"""``manage.py signalscope status``: whether it is on, how it is, and what it costs."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error, connections
from django.forms.models import model_to_dict
from django.utils import timezone

from signalscope import __version__, wiring
from signalscope.conf import Conf, get_conf
from signalscope.core.retention import DAY_S
from signalscope.formatting import counted, duration, percent, size
from signalscope.management.advice import about_error, about_losses
from signalscope.management.deliveries import about_deliveries, deliveries_as_json
from signalscope.management.tables import (
    Column,
    Row,
    as_table,
    encodable,
    printable,
    wrap,
)
from signalscope.models import ControlRule
from signalscope.stats.health import Health, ProcessHealth, State, health
from signalscope.stats.tables import Precision, TableSize

HELP = "Tell whether signalscope is on, how its processes and tables are, and what it costs."
PERIOD = timedelta(hours=24)
MAX_LINES = 20

# What needs a look comes first; processes that ended are only counted.
_ORDER = (State.FAILING, State.SILENT, State.ALIVE)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="default: table"
    )
    parser.add_argument(
        "--database", choices=sorted(connections), help="default: SIGNALSCOPE['DATABASE']"
    )


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print the status; end with status 1 where something is wrong."""
    conf = get_conf()
    using = options["database"] or conf.database
    found, rule_count, trouble = None, 0, ""
    try:
        found = health(since=timezone.now() - PERIOD, using=using)
        rule_count = ControlRule.objects.using(using).in_force().count()
    except Error as error:
        trouble = about_error(using, error)
    is_healthy = not (
        trouble
        or (conf.enabled and wiring.why_off())
        or (found is not None and found.count(State.FAILING))
    )
    if options["format"] == "json":
        answer = {
            **_as_json(conf, using, found, trouble, is_healthy=is_healthy),
            **deliveries_as_json(options["database"]),
        }
        if not trouble:
            answer["rule_count"] = rule_count
        text = json.dumps(answer, cls=DjangoJSONEncoder, indent=2)
    else:
        parts = [_about_this_process(), _about_settings(conf, using)]
        parts += [wrap(trouble)] if trouble or found is None else _about(found)
        if rule_count:
            parts.append(_about_rules(rule_count))
        parts.append(about_deliveries(options["database"]))
        lines = "\n\n".join(parts).split("\n")
        text = "\n".join([printable(line) for line in lines])
    command.stdout.write(encodable(text, command.stdout))
    if not is_healthy:
        sys.exit(1)


def _as_json(
    conf: Conf, using: str, found: Health | None, trouble: str, *, is_healthy: bool
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "is_healthy": is_healthy,
        "is_recording": wiring.is_installed(),
        "why_off": wiring.why_off(),
        "version": __version__,
        "patched_by": wiring.patched_by(),
        "settings": dict(_settings(conf, using)),
        "trouble": trouble,
    }
    if found is not None:
        answer |= {
            "processes": [
                {**model_to_dict(process.row), "state": process.state}
                for process in found.processes
            ],
            "losses": asdict(found.losses),
            "tables": asdict(found.tables),
            "cost_share": found.share,
        }
    return answer


def _about_this_process() -> str:
    lines = [wrap(wiring.why_off() or f"signalscope {__version__} is on.")]
    if others := wiring.patched_by():
        lines.append("Other packages have changed Signal, too:")
        lines += [wrap(f"  {other}") for other in others]
    return "\n".join(lines)


def _settings(conf: Conf, using: str) -> list[tuple[str, Any]]:
    return [
        ("database", using),
        ("sample_rate", conf.effective_sample_rate),
        ("capture_sql", conf.captures_sql),
        ("flush_interval_s", conf.effective_flush_interval_s),
        ("retain_traces_days", conf.retain_traces_days),
        ("retain_minutes_days", conf.retain_minutes_days),
        ("retain_hours_days", conf.retain_hours_days),
        ("retain_days_days", conf.retain_days_days),
        ("activity_retention_days", conf.activity_retention_days),
        ("retain_deliveries_days", conf.retain_deliveries_days),
    ]


def _about_settings(conf: Conf, using: str) -> str:
    # As it works out: short periods are not kept longer than long ones.
    retention = conf.retention
    kept = [
        f"{name} {_age(age_s)}"
        for name, age_s in (
            ("traces", retention.traces_s),
            ("minutes", retention.minutes_s),
            ("hours", retention.hours_s),
            ("days", retention.days_s),
            ("activity", retention.activity_s),
        )
    ]
    return _facts(
        "Settings",
        [
            ("Database", using),
            ("Stored", f"{percent(conf.effective_sample_rate)} of the traces"),
            ("Flush", f"every {conf.effective_flush_interval_s:g} s"),
            ("Kept", ", ".join(kept)),
            ("", f"deliveries that are done {_age(retention.deliveries_s)}"),
        ],
    )


def _age(age_s: float) -> str:
    return f"{age_s / DAY_S:g} d" if math.isfinite(age_s) else "for ever"


def _about(found: Health) -> list[str]:
    return [_about_processes(found), _about_losses(found), _about_tables(found), _about_cost(found)]


def _about_processes(found: Health) -> str:
    counts = [
        f"{found.count(state)} {state}" for state in (*_ORDER, State.ENDED) if found.count(state)
    ]
    lines = [f"Processes in the last 24 hours: {', '.join(counts) or 'none'}"]
    shown = sorted(
        (process for process in found.processes if process.state in _ORDER),
        key=lambda process: _ORDER.index(process.state),
    )
    if shown:
        lines.append(as_table(_PROCESS_COLUMNS, [_process_row(p) for p in shown[:MAX_LINES]]))
    if len(shown) > MAX_LINES:
        lines.append(f"and {len(shown) - MAX_LINES} more; --format json has all")
    patches = {other for process in shown for other in process.row.patched_by.split(", ") if other}
    lines += [
        wrap(f"Other packages have changed Signal there, too: {other}")
        for other in sorted(patches - set(wiring.patched_by()))
    ]
    if found.count(State.SILENT):
        lines.append(
            wrap(
                "Silent: it has stopped to report without an end, so it was killed, or cannot "
                "reach the database."
            )
        )
    return "\n".join(lines)


_PROCESS_COLUMNS = [
    Column("process", "process"),
    Column("state", "state"),
    Column("since", "since"),
    Column("buffer", "buffer", is_number=True),
    Column("waiting", "waiting", is_number=True),
    Column("flushes", "flushes", is_number=True),
    Column("failed", "failed", is_number=True),
    Column("last", "last", is_number=True),
    Column("longest", "longest", is_number=True),
    Column("below", "", is_below=True),
]


def _process_row(process: ProcessHealth) -> Row:
    row = process.row
    return {
        "process": row.name,
        "state": process.state,
        "since": _moment(row.started_at)[5:],
        "buffer": size(row.buffer_bytes),
        "waiting": row.waiting_count,
        "flushes": row.flush_count,
        "failed": row.failure_count,
        "last": duration(row.flush_ns),
        "longest": duration(row.max_flush_ns),
        "below": f"{row.command}: {row.stored_count} of {row.trace_count} traces stored",
    }


def _about_losses(found: Health) -> str:
    lost = about_losses(found.losses, "in the last 24 hours")
    lines = [wrap(lost or "Lost in the last 24 hours: nothing.")]
    if (row := found.last_error) is not None and row.error_at is not None:
        lines.append(wrap(f"Last error: {_moment(row.error_at)}, {row.name}: {row.error}"))
    else:
        lines.append("Last error: none in the last 24 hours.")
    return "\n".join(lines)


def _about_tables(found: Health) -> str:
    tables = found.tables
    rows = [{"table": table.name, **_table_row(table)} for table in tables.sizes]
    columns = [Column("table", "table"), Column("rows", "rows", is_number=True)]
    if any(table.byte_count is not None for table in tables.sizes):
        columns.append(Column("size", "size", is_number=True))
    lines = [as_table(columns, rows)]
    if tables.is_whole_database and tables.byte_count is not None:
        lines.append(f"The whole database has {size(tables.byte_count)}.")
    elif tables.byte_count is not None:
        lines.append(f"Together {size(tables.byte_count)}.")
    return "\n".join(lines)


def _table_row(table: TableSize) -> Row:
    word = "" if table.precision is Precision.EXACT else f"{table.precision} "
    return {
        "rows": f"{word}{table.row_count:,}",
        "size": "" if table.byte_count is None else size(table.byte_count),
    }


def _about_cost(found: Health) -> str:
    if found.share is None:
        return "Cost: not measured yet; it is once a request, command or block has ended."
    return wrap(
        f"Cost: {percent(found.share)} of the time of requests, commands and blocks, "
        "as each process has measured it."
    )


def _about_rules(count: int) -> str:
    rules = counted(count, "rule is", "rules are")
    return wrap(f"{rules} in force, by which receivers are not called: signalscope rules.")


def _facts(title: str, facts: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in facts)
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in facts)])


def _moment(value: datetime) -> str:
    if timezone.is_aware(value):
        value = timezone.localtime(value)
    return f"{value:%Y-%m-%d %H:%M}"
