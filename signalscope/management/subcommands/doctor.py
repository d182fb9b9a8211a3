"""``manage.py signalscope doctor``: which receivers do harm, or nothing at all, and what to do."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error
from django.utils import timezone

from signalscope.conf import NOISE, get_conf
from signalscope.doctor.examination import Report, examine
from signalscope.doctor.finding import LEVELS, Finding
from signalscope.doctor.project import Project
from signalscope.doctor.records import Records, read_records
from signalscope.formatting import counted
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.tables import FORMATS, WIDTH, Column, Row, encodable, printable, wrap

HELP = "Find receivers that do harm, or nothing at all, and say why and what to do."
DAYS = 30
_NEVER = "never"
_KEYS = ("id", "level", "title", "message", "file", "line", "signal", "receiver", "why", "hint")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--fail-on",
        choices=(*LEVELS, _NEVER),
        default="error",
        help="end with status 1 from this level on (default: %(default)s)",
    )
    add("--all", action="store_true", help="look at Django and installed packages, too")
    add(
        "--days",
        type=parse.positive,
        default=DAYS,
        metavar="N",
        help="report receivers not called for so long (default: %(default)s)",
    )
    add("--format", choices=tuple(FORMATS), default="table", help="default: table")
    parse.add_database(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print what is found; end with status 1 where something is as bad as --fail-on."""
    records, trouble = _read_records(options)
    project = Project(is_all=options["all"], records=records, collects=True)
    report = examine(project, silenced=settings.SILENCED_SYSTEM_CHECKS)
    name = options["format"]
    notes = [*_notes(report), *([trouble] if trouble else []), *_about_records(records)]
    if name == "table":
        _write(command.stdout, [*_blocks(report.findings), _end(report, notes)])
    else:
        rows = [_row(finding) for finding in report.findings]
        text = FORMATS[name](_columns(name), rows)
        command.stdout.write(encodable(text, command.stdout))
        _write(command.stderr, [_end(report, notes)])
    limit = LEVELS.get(options["fail_on"])
    if limit is not None and any(one.level >= limit for one in report.findings):
        sys.exit(1)


def _read_records(options: dict[str, Any]) -> tuple[Records | None, str]:
    """Return what was recorded, or why that cannot be read."""
    conf = get_conf()
    using = options["database"] or conf.database
    try:
        records = read_records(
            options["days"],
            using=using,
            retention=conf.retention,
            include=conf.include,
            exclude=(*NOISE, *conf.exclude),
        )
    except Error as error:
        return None, f"Left out what needs statistics: {about_error(using, error)}"
    return records, ""


def _notes(report: Report) -> list[str]:
    notes = []
    if report.silenced_count:
        notes.append(f"{counted(report.silenced_count, 'finding is', 'findings are')} silenced.")
    if report.unread:
        notes.append(f"{counted(len(report.unread), 'receiver', 'receivers')} could not be read.")
    notes += [f"Not done: {name}, by {error}" for name, error in report.failed.items()]
    return notes


def _about_records(records: Records | None) -> list[str]:
    """Say where receivers that are not called were not looked for."""
    if records is None or records.is_long_enough:
        return []
    if records.since is None:
        return ["Left out which receivers are not called: nothing was recorded yet."]
    since = f"{timezone.localtime(records.since):%Y-%m-%d %H:%M}"
    days = counted(records.days, "day", "days")
    what = "Left out which receivers are not called"
    return [f"{what}: statistics begin {since}, less than {days} ago; see --days."]


def _end(report: Report, notes: Sequence[str]) -> str:
    looked = (
        f"Looked at {counted(report.receiver_count, 'receiver', 'receivers')} of "
        f"{counted(report.signal_count, 'signal', 'signals')}: "
    )
    counts = [
        counted(number, level, level if level == "info" else f"{level}s")
        for level in LEVELS
        if (number := sum(one.level_name == level for one in report.findings))
    ]
    sentence = f"{looked}{', '.join(counts) or 'nothing to report'}."
    return "\n".join([wrap(text) for text in (sentence, *notes)])


def _blocks(findings: Sequence[Finding]) -> list[str]:
    """Return one text per kind: what it is, why it matters, what to do, and where it is."""
    blocks = []
    for (kind, level), group in groupby(findings, key=lambda one: (one.kind, one.level_name)):
        number = kind.id.rpartition(".")[2]
        lines = [
            wrap(f"{number} {level}: {kind.title}."),
            _indented(kind.why),
            _indented(f"What to do: {kind.hint}"),
        ]
        for finding in group:
            place = _near(finding)
            lines.append("")
            if place:
                lines.append(f"  {place}")
            lines.append(_indented(finding.message, "    " if place else "  "))
        blocks.append("\n".join(lines) + "\n")
    return blocks


def _indented(text: str, indent: str = "  ") -> str:
    lines = wrap(text, WIDTH - len(indent)).split("\n")
    return "\n".join([f"{indent}{line}" for line in lines])


def _near(finding: Finding) -> str:
    """Return file and line, from the current directory where the file is below it."""
    if not finding.file:
        return ""
    try:
        return f"{Path(finding.file).relative_to(Path.cwd())}:{finding.line}"
    except (ValueError, OSError):
        return finding.place


def _columns(name: str) -> list[Column]:
    if name == "md":
        titles = {"id": "id", "level": "level", "place": "place", "message": "finding"}
        return [Column(key, title) for key, title in {**titles, "hint": "what to do"}.items()]
    return [Column(key, key) for key in _KEYS]


def _row(finding: Finding) -> Row:
    return {
        "id": finding.kind.id,
        "level": finding.level_name,
        "title": finding.kind.title,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
        "signal": finding.signal,
        "receiver": finding.receiver,
        "why": finding.kind.why,
        "hint": finding.kind.hint,
        "place": _near(finding),
    }


def _write(stream: Any, texts: Sequence[str]) -> None:
    lines = "\n".join(texts).split("\n")
    stream.write(encodable("\n".join([printable(line) for line in lines]), stream))
