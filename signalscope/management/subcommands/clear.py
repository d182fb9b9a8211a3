"""``manage.py signalscope clear``: empties signalscope's tables."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import Error, connections, router

from signalscope.conf import get_conf
from signalscope.formatting import counted
from signalscope.management.advice import about_error
from signalscope.management.options import add_database
from signalscope.management.progress import listed
from signalscope.models import ActivityLog, ControlRule, Delivery

HELP = (
    "Delete what signalscope has stored, pinned traces as well, but for the activity log and "
    "deliveries."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--yes", action="store_true", help="really do it")
    parser.add_argument("--activity", action="store_true", help="delete the activity log, too")
    add_database(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Empty the tables; without --yes, say what that would delete."""
    using = options["database"] or get_conf().database
    models = [
        model
        for model in apps.get_app_config("signalscope").get_models()
        # What is decided about receivers, and work to be done, are no record of anything.
        if model not in (ControlRule, Delivery)
        and router.allow_migrate_model(using, model)
        and (options["activity"] or model is not ActivityLog)
    ]
    about_activity = "" if options["activity"] else " The activity log stays, without --activity."
    connection = connections[using]
    try:
        if not options["yes"]:
            counts = {
                str(model._meta.verbose_name_plural): model._base_manager.using(using).count()
                for model in models
            }
            raise CommandError(
                f"This would delete what signalscope has stored in the database "
                f"{using!r}: {listed(counts)}. Give --yes to do it.{about_activity}"
            )
        tables = [model._meta.db_table for model in models]
        # With the sequences, MariaDB empties a table at once, not row by row.
        statements = connection.ops.sql_flush(no_style(), tables, reset_sequences=True)
        connection.ops.execute_sql_flush(statements)
    except Error as error:
        raise CommandError(about_error(using, error)) from error
    emptied = counted(len(tables), "table", "tables")
    command.stdout.write(f"Emptied {emptied} in the database {using!r}.{about_activity}")
