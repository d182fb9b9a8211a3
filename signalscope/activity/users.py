"""Logs changes of a user's password and of what the user may do, and tells of new passwords."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import get_hasher, identify_hasher, is_password_usable
from django.db import models

from signalscope import signals
from signalscope.activity.changes import UNKNOWN, Change, unwatch, watch
from signalscope.activity.entries import make_entry
from signalscope.activity.journal import Journal
from signalscope.core.faults import fault

# What decides what a user may do at all.
_FLAGS = ("is_active", "is_staff", "is_superuser")


class UserWatch:
    """Looks at each user that is saved."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._model: type[models.Model] | None = None

    def install(self, user_model: type[models.Model]) -> None:
        """Begin to look at users."""
        if self._model is None:
            self._model = user_model
            watch(user_model, self._saved, needs_old=lambda _: False)

    def uninstall(self) -> None:
        """Leave the model as it was."""
        if self._model is not None:
            unwatch(self._model, self._saved)
            self._model = None

    def _saved(self, change: Change) -> None:
        try:
            if not (change.is_created or change.is_raw):
                self._tell(change)
        except Exception as error:  # noqa: BLE001
            fault("looking at a user that was saved", error)

    def _tell(self, change: Change) -> None:
        if _is_new_password(change):
            self._note("password_changed", change, {})
            signals.password_changed.send_robust(
                sender=type(change.instance), user=change.instance, using=change.using
            )
        flags = {
            name: [None if old is UNKNOWN else old, new]
            for name, (old, new) in change.fields.items()
            if name in _FLAGS
        }
        if flags:
            self._note("permissions_changed", change, flags)

    def _note(self, action: str, change: Change, changes: dict[str, Any]) -> None:
        if self._journal.wants(action):
            entry = make_entry(action, change.instance, changes=changes)
            self._journal.note_on_commit([entry], change.using)


def _is_new_password(change: Change) -> bool:
    """
    Tell whether a saved password is another one, not only another hash of it.

    Where the old hash is not known, set_password() must have been called.
    """
    if "password" not in change.fields:
        return False
    old, new = change.fields["password"]
    own = change.instance.__dict__
    if own.get("_password") is not None:
        return True
    if old is UNKNOWN:
        return False
    # As check_password() leaves it, before it saves the better hash.
    is_as_rehashed = "_password" in own and is_password_usable(new)
    return not (is_as_rehashed and _is_outdated(old))


def _is_outdated(encoded: str) -> bool:
    """Tell whether a login would replace a hash by a better one."""
    preferred = get_hasher()
    try:
        hasher = identify_hasher(encoded)
    except ValueError:
        return False
    return hasher.algorithm != preferred.algorithm or preferred.must_update(encoded)
