"""Looks after users, groups and permissions, in a project that has them."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from signalscope.activity.journal import Journal
from signalscope.activity.permissions import ACTION, RelationWatch, relation_fields
from signalscope.activity.users import UserWatch


class AccountWatch:
    """Logs what is changed of users and groups, while it is installed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._users = UserWatch(journal)
        self._relations = RelationWatch(journal)

    def install(self) -> None:
        """Begin, or go on by other settings; nothing happens where there is no user model."""
        try:
            user_model = get_user_model()
        except ImproperlyConfigured:
            return
        # Whether or not it is logged: password_changed is sent.
        self._users.install(user_model)
        if self._journal.is_excluded(ACTION):
            self._relations.uninstall()
        else:
            self._relations.install(relation_fields(user_model))

    def uninstall(self) -> None:
        """Leave Django's classes as they were."""
        self._users.uninstall()
        self._relations.uninstall()
