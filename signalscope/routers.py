"""A database router, for projects that give signalscope a database of its own."""

from __future__ import annotations

from typing import Any

from django.db import models

from signalscope.conf import get_conf

_APP_LABEL = "signalscope"
_EVERYWHERE = frozenset({"activitylog", "delivery"})


class SignalscopeRouter:
    """
    Keeps signalscope's tables in ``SIGNALSCOPE["DATABASE"]``, and nowhere else.

    But for two: an entry of a tracked model is written in the database of the change, and a
    delivery in that of its dispatch, so each may have these tables. About all other models, and
    about where deliveries are read, it says nothing, so that the next router decides.
    """

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the alias for signalscope's own models, None for others."""
        meta = model._meta
        if meta.app_label != _APP_LABEL or meta.model_name == "delivery":
            return None
        return get_conf().database

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        """Return the same."""
        return self.db_for_read(model, **hints)

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        """Tell whether a table may be made there; None leaves it to the next router."""
        if app_label != _APP_LABEL:
            return None
        if db == get_conf().database:
            return True
        return None if model_name in _EVERYWHERE else False
