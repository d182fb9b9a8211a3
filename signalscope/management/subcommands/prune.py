"""``manage.py signalscope prune``: deletes what is older than it is kept."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Generator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, router

from signalscope.conf import get_conf
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.progress import do_steps, listed
from signalscope.models import Trace
from signalscope.upkeep.compact import compact
from signalscope.upkeep.prune import CHUNK, CutOffs, doomed, prune

HELP = "Delete what is older than the settings say, but for pinned traces."
SLEEP_S = 0.1


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dry-run", action="store_true", help="only say how many rows would go")
    parser.add_argument(
        "--before",
        type=parse.moment,
        metavar="AGE|DATE",
        help="instead of the settings, for all tables but the activity log: 12h, 30d, "
        "2026-01-31, 2026-01-31T12:00",
    )
    parser.add_argument(
        "--activity", action="store_true", help="with --before: of the activity log, too"
    )
    parser.add_argument(
        "--chunk",
        type=parse.positive,
        default=CHUNK,
        metavar="N",
        help="rows of a table to delete in one transaction (default: %(default)s)",
    )
    parser.add_argument(
        "--sleep",
        type=parse.seconds,
        default=SLEEP_S,
        metavar="S",
        help="seconds between two transactions (default: %(default)s)",
    )
    parse.add_database(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Delete what goes, or say how much that is."""
    using = options["database"] or get_conf().database
    now_s = time.time()
    before = options["before"]
    if options["activity"] and before is None:
        raise CommandError(
            "--activity means nothing without --before; without both, the activity log is kept "
            "as long as SIGNALSCOPE['ACTIVITY_RETENTION_DAYS'] says."
        )
    if before is not None:
        cut_offs = CutOffs.at(before.timestamp(), with_activity=options["activity"])
    else:
        cut_offs = CutOffs.of(get_conf().retention, now_s)
    # Another database than signalscope's own may have no more than those two tables.
    has_all = router.allow_migrate_model(using, Trace)
    if not has_all:
        cut_offs = cut_offs.of_project()
    if options["dry_run"]:
        counts = _counted(cut_offs, using)
        command.stdout.write(f"Would delete: {listed(counts)}.")
        return
    steps = prune(cut_offs, using=using, chunk=options["chunk"])
    if has_all:
        steps = _compacted_first(steps, now_s, using)
    done = do_steps(
        command,
        steps,
        using=using,
        doing="Deleted",
        sleep_s=options["sleep"],
        has_lease=has_all,
    )
    command.stdout.write(f"Deleted: {listed(done)}.")


def _compacted_first(
    steps: Generator[Counter[str]], now_s: float, using: str
) -> Generator[Counter[str]]:
    # What no longer period counts yet is never deleted.
    for _ in compact(using=using, now_s=now_s):
        yield Counter()
    yield from steps


def _counted(cut_offs: CutOffs, using: str) -> dict[str, int]:
    try:
        return {label: rows.count() for label, rows in doomed(cut_offs, using).items()}
    except Error as error:
        raise CommandError(about_error(using, error)) from error
