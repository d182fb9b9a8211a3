"""The database whose transaction decides whether a dispatch counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, router, transaction
from django.db.models import Model


def database_of(sender: object, named: Mapping[str, Any]) -> str:
    """
    Return the alias of the database that a dispatch is about.

    It is the dispatch's ``using``, else where the router writes its instance, which may have been
    read from a replica, else where it writes instances of the sender, else the default one.
    """
    using, instance = named.get("using"), named.get("instance")
    if isinstance(using, str):
        return using
    if isinstance(instance, Model):
        return router.db_for_write(type(instance), instance=instance)
    if isinstance(sender, type) and issubclass(sender, Model):
        return router.db_for_write(sender)
    return DEFAULT_DB_ALIAS


def run_after_commit(run: Callable[[], object], using: str, *, robust: bool = False) -> None:
    """Call a function as transaction.on_commit() does, which would connect just to ask."""
    is_connected = transaction.get_connection(using).connection is not None
    if is_connected or robust:
        transaction.on_commit(run, using=using, robust=robust)
    else:
        run()
