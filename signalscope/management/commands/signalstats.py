"""Tells which receivers are slow, busy or failing, who is connected, and what nobody hears."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from signalscope.conf import get_conf
from signalscope.formatting import counted, duration
from signalscope.management import options as parse
from signalscope.management import views
from signalscope.management.advice import about_error, about_losses, spoken, why_empty
from signalscope.management.tables import (
    FORMATS,
    Column,
    Row,
    encodable,
    printable,
    table_blocks,
    wrap,
)
from signalscope.registry.builtin import FAMILY_OF
from signalscope.registry.receivers import runs_for_model
from signalscope.stats import reports
from signalscope.stats.tallies import Key, Tally, newest_period, read_tallies

DEFAULT_SINCE = "24h"
# Which options mean something beside the three that ask for another table.
_GOES_WITH = {
    "list": {"signal", "sender", "receiver"},
    "model": set(),
    "unheard": {"since", "signal", "sender", "limit", "database"},
}
_QUESTIONS = ("since", "signal", "sender", "receiver", "sort", "slow", "limit", "database")


class Command(BaseCommand):
    """Print statistics of signals and their receivers."""

    help = "Print how often each receiver was called, how long it took and how often it failed."
    # It answers where a check fails as well: it is what one looks at to see why.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add(
            "--since",
            metavar="PERIOD",
            help=f"how far to look back: 90s, 30m, 24h, 7d, 2w (default: {DEFAULT_SINCE})",
        )
        for name in ("signal", "sender", "receiver"):
            add(
                f"--{name}",
                action="append",
                metavar="GLOB",
                help=f"only where the {name}'s name, or its last part, matches; may be repeated",
            )
        add("--sort", metavar="|".join(reports.SORTS), help="greatest first (default: total)")
        add("--slow", metavar="MS", help="only receivers whose longest call took MS or more")
        add("--limit", metavar="N", help="print no more than N lines")
        add(
            "--format",
            default="table",
            metavar="|".join(FORMATS),
            help="json, csv and md print full names (default: table)",
        )
        add("--database", metavar="ALIAS", help="default: SIGNALSCOPE['DATABASE']")
        other = parser.add_mutually_exclusive_group()
        other.add_argument(
            "--unheard", action="store_true", help="custom signals that were sent to nobody"
        )
        other.add_argument(
            "--list", action="store_true", help="all signals and who is connected to them"
        )
        other.add_argument(
            "--model", metavar="APP.MODEL", help="what runs when this model is saved or deleted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table that was asked for."""
        self.options = options
        self.check_together()
        _one_of("--format", options["format"], FORMATS)
        if options["list"]:
            self.print_registry()
        elif options["model"] is not None:
            self.print_model(options["model"])
        else:
            self.print_statistics()

    def check_together(self) -> None:
        """Refuse options that would be passed over in silence, and two tables at once."""
        asked = [name for name in _GOES_WITH if self.options[name] not in (False, None)]
        if len(asked) > 1:
            raise CommandError(f"--{asked[0]} and --{asked[1]} do not go together; give one.")
        for mode in asked:
            for name in _QUESTIONS:
                if self.options[name] is not None and name not in _GOES_WITH[mode]:
                    allowed = sorted(_GOES_WITH[mode] | {"format"})
                    raise CommandError(
                        f"--{name} means nothing with --{mode}; "
                        f"allowed: {', '.join(f'--{option}' for option in allowed)}."
                    )

    def print_registry(self) -> None:
        """Print all signals and who is connected to them."""
        globs = [self.globs(name) for name in ("signal", "sender", "receiver")]
        rows = views.registry_rows(*globs)
        columns = views.registry_columns(rows, is_short=self.is_table)
        if not rows:
            hint = (
                "No signal or receiver matches; run signalstats --list without a glob to see all."
            )
            self.print_empty(columns, hint)
        elif self.is_table:
            self.print_grouped(columns, rows)
        else:
            self.print_rows(columns, rows)

    def print_grouped(self, columns: list[Column], rows: list[Row]) -> None:
        """Print the registry with its families and signals as headings."""
        head, *blocks = table_blocks(columns, rows)
        self.write(head)
        rest = iter(blocks)
        for family, of_family in groupby(rows, key=lambda row: row["family"]):
            self.write(f"\n== {family} ==")
            for signal, of_signal in groupby(of_family, key=lambda row: row["signal"]):
                self.write(printable(signal))
                for _ in of_signal:
                    self.write(next(rest))

    def print_model(self, label: str) -> None:
        """Print what runs when a model is saved or deleted."""
        rows = views.model_rows(runs_for_model(_read("--model", parse.model, label)))
        columns = views.model_columns(rows, is_short=self.is_table)
        if not rows:
            self.print_empty(columns, f"Nothing runs when {label} is saved or deleted.")
        else:
            self.print_rows(columns, rows)

    def print_statistics(self) -> None:
        """Print receivers' figures, or what nobody heard."""
        options = self.options
        since = _read("--since", parse.period, options["since"] or DEFAULT_SINCE)
        limit = _read("--limit", parse.positive, options["limit"])
        slow_ms = _read("--slow", parse.milliseconds, options["slow"])
        sort = options["sort"] or "total"
        _one_of("--sort", sort, reports.SORTS)
        using = options["database"] or get_conf().database
        _one_of("--database", using, sorted(connections))
        # In UTC: local time may have jumped meanwhile.
        start = get_conf().retention.rounded(datetime.now(UTC) - since)
        try:
            tallies = read_tallies(start, using=using)
            lost = reports.losses(since=start, using=using)
            newest = newest_period(using) if not tallies else None
        except Error as error:
            raise CommandError(about_error(using, error)) from error
        globs = {f"{name}s": self.globs(name) for name in ("signal", "sender")}
        if options["unheard"]:
            unheard = reports.rank_unheard(tallies, **globs)
            if not options["signal"]:
                # Of Django's own only class_prepared is counted: once per model and process.
                unheard = [stat for stat in unheard if stat.signal not in FAMILY_OF]
            columns, rows = views.UNHEARD_COLUMNS, views.unheard_rows(unheard[:limit])
        else:
            receivers = self.globs("receiver")
            stats = reports.rank(
                tallies, **globs, receivers=receivers, sort=sort, slow_ms=slow_ms, limit=limit
            )
            columns = views.receiver_columns(stats, is_short=self.is_table)
            rows = views.receiver_rows(stats)
        if rows:
            self.print_rows(columns, rows)
        else:
            self.print_empty(
                columns,
                why_empty(tallies, newest, since, is_unheard=bool(options["unheard"])),
            )
        if self.is_table:
            self.print_footer(rows, tallies, lost, since)

    def print_footer(
        self, rows: list[Row], tallies: dict[Key, Tally], lost: reports.Losses, since: timedelta
    ) -> None:
        """Say of how much the table is a part, and what is missing in it."""
        called = [tally for key, tally in tallies.items() if key[2]]
        if rows and not self.options["unheard"]:
            self.write(
                wrap(
                    f"{len(rows)} of {counted(len(called), 'line', 'lines')}; "
                    f"{counted(sum(tally.count for tally in called), 'call', 'calls')} and "
                    f"{duration(sum(tally.total_ns for tally in called))} of receiver time "
                    f"in the last {spoken(since)}."
                )
            )
        if lost:
            self.write(wrap(about_losses(lost, "in this time")))

    def print_empty(self, columns: list[Column], hint: str) -> None:
        """Say why there are no rows; where a program reads the output, on stderr."""
        if self.is_table:
            self.write(wrap(hint))
        else:
            self.print_rows(columns, [])
            self.stderr.write(wrap(hint), self.style.NOTICE)

    def print_rows(self, columns: list[Column], rows: list[Row]) -> None:
        """Print rows in the format that was asked for."""
        self.write(FORMATS[self.options["format"]](columns, rows))

    def globs(self, name: str) -> Sequence[str]:
        """Return the globs given for a kind of name; call_command() may pass one as text."""
        given = self.options[name] or ()
        return [given] if isinstance(given, str) else given

    @property
    def is_table(self) -> bool:
        """Whether a person reads the output."""
        return bool(self.options["format"] == "table")

    def write(self, text: str) -> None:
        """Write text as far as the output's encoding can."""
        self.stdout.write(encodable(text, self.stdout))


def _read(option: str, read: Callable[[str], Any], text: object) -> Any:
    """Return an option's value, None where it was not given; CommandError for a bad one."""
    if text is None:
        return None
    try:
        return read(str(text))
    except ArgumentTypeError as error:
        raise CommandError(f"{option} {error}.") from error


def _one_of(option: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise CommandError(f"{option} {value!r} is not allowed; give one of {', '.join(allowed)}.")
