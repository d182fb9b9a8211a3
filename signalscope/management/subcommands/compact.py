"""``manage.py signalscope compact``: adds up roll-ups as they age."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from signalscope.conf import get_conf
from signalscope.management.options import add_database
from signalscope.management.progress import do_steps, listed
from signalscope.upkeep.compact import compact

HELP = "Add up roll-ups: what processes counted into minutes, hours and days that are over."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add_database(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Add up all that is due."""
    using = options["database"] or get_conf().database
    steps = compact(using=using, now_s=time.time())
    done = do_steps(command, steps, using=using, doing="Added up")
    command.stdout.write(f"Added up: {listed(done)}.")
