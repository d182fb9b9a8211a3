"""Looks after tables, mutes receivers, runs deliveries, and tells how it is and who did what."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from signalscope.management.subcommands import (
    activity,
    clear,
    compact,
    deliver,
    deliveries,
    doctor,
    mute,
    prune,
    rules,
    status,
    unmute,
)

# One module each, by the name that is typed.
SUBCOMMANDS: dict[str, Any] = {
    "status": status,
    "doctor": doctor,
    "activity": activity,
    "mute": mute,
    "unmute": unmute,
    "rules": rules,
    "deliver": deliver,
    "deliveries": deliveries,
    "compact": compact,
    "prune": prune,
    "clear": clear,
}


class Command(BaseCommand):
    """Run one of the subcommands."""

    help = (
        "Look after what signalscope stores, mute receivers, run deliveries, and tell how it is "
        "and who did what."
    )
    # It answers where a check fails as well: it is what one looks at to see why.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands and their options."""
        choices = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
        for name, module in SUBCOMMANDS.items():
            module.add_arguments(
                choices.add_parser(name, help=module.HELP, description=module.HELP)
            )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand."""
        SUBCOMMANDS[options["subcommand"]].run(self, options)
