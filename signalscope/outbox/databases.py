"""In which databases deliveries are: each is in that of its dispatch."""

from __future__ import annotations

from django.db import connections, router

from signalscope.models import Delivery


def default_database() -> str:
    """Return the alias of the database in which they are where nothing else is said."""
    return router.db_for_write(Delivery)


def possible_databases() -> list[str]:
    """Return the aliases of those that may have the table, the default one first."""
    others = [alias for alias in connections if router.allow_migrate_model(alias, Delivery)]
    return list(dict.fromkeys([default_database(), *others]))
