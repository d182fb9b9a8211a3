"""``manage.py signalscope unmute``: ends rules, so that receivers are called again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from signalscope.activity.operations import os_user
from signalscope.conf import get_conf
from signalscope.context import SignalContext
from signalscope.core.names import matches
from signalscope.formatting import counted
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.tables import encodable, printable
from signalscope.models import ControlRule

HELP = "End rules, so that the receivers are called again."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "keys", nargs="*", type=parse.positive, metavar="KEY", help="as signalscope rules has them"
    )
    parser.add_argument("--all", action="store_true", help="all rules that are in force")
    parser.add_argument(
        "--receiver",
        type=parse.short_text,
        metavar="GLOB",
        help="the rules whose receiver matches, as signalscope rules prints it",
    )
    parser.add_argument(
        "--by", type=parse.short_text, metavar="NAME", help="who ends them (default: the OS user)"
    )


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """End the rules, and say which."""
    using = get_conf().database
    try:
        rules = _chosen(list(ControlRule.objects.using(using).in_force()), options)
        with SignalContext.use(user=options["by"] or os_user()):
            for rule in rules:
                rule.until = timezone.now()
                rule.save(using=using, update_fields=["until"])
    except Error as error:
        raise CommandError(about_error(using, error)) from error
    lines = [f"Ended rule {rule.pk}: {rule}" for rule in rules]
    lines.append(
        f"{counted(len(rules), 'rule has', 'rules have')} ended; each process follows within "
        f"{get_conf().rules_refresh_s:g} s."
    )
    text = "\n".join([printable(line) for line in lines])
    command.stdout.write(encodable(text, command.stdout))


def _chosen(in_force: list[ControlRule], options: dict[str, Any]) -> list[ControlRule]:
    """Return the rules to end; CommandError where that is not said, or there is none."""
    keys, glob = options["keys"], options["receiver"]
    if bool(keys) + options["all"] + (glob is not None) != 1:
        raise CommandError("Say which rules to end: give their keys, or --receiver, or --all.")
    if options["all"]:
        return in_force
    if glob is not None:
        found = [rule for rule in in_force if rule.receiver and matches((glob,), rule.receiver)]
        if not found:
            raise CommandError(
                f"No rule in force has a receiver that matches {glob!r}; "
                "manage.py signalscope rules prints those that there are."
            )
        return found
    if missing := sorted(set(keys) - {rule.pk for rule in in_force}):
        raise CommandError(
            f"Not in force: {', '.join(map(str, missing))}. Nothing was ended; "
            "manage.py signalscope rules prints the rules that are in force."
        )
    return [rule for rule in in_force if rule.pk in keys]
