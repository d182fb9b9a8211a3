"""Entries of who logged in and out, and who tried to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models

from signalscope.activity.entries import make_entry, type_label
from signalscope.activity.values import json_value, object_key, object_label
from signalscope.context import CONTEXT, Actor, Context
from signalscope.recorder.notes import Entry


def logged_in(named: dict[str, Any]) -> list[Entry]:
    """Return the entry of a user_logged_in: the user did it, whoever the request had before."""
    return _of_user("logged_in", named)


def logged_out(named: dict[str, Any]) -> list[Entry]:
    """Return the entry of a user_logged_out; none where nobody was logged in."""
    return _of_user("logged_out", named)


def login_failed(named: dict[str, Any]) -> list[Entry]:
    """Return the entry of a user_login_failed; of what was tried it has the user name only."""
    user_model = get_user_model()
    return [
        make_entry(
            "login_failed",
            object_type=type_label(user_model),
            object_label=_tried_name(named.get("credentials"), user_model.USERNAME_FIELD),
            actor=_actor(named.get("request")),
        )
    ]


def _of_user(action: str, named: dict[str, Any]) -> list[Entry]:
    user = named.get("user")
    if not isinstance(user, models.Model):
        return []
    actor = _actor(named.get("request"))
    actor = replace(actor, key=object_key(user), label=object_label(user))
    return [make_entry(action, user, actor=actor)]


def _tried_name(credentials: object, name_field: str) -> str:
    if not isinstance(credentials, Mapping):
        return ""
    # Of AuthenticationForm the second, of a call to authenticate() maybe the first.
    name = credentials.get(name_field, credentials.get("username"))
    return "" if name is None else str(json_value(name))


def _actor(request: Any) -> Actor:
    """Return who is behind the running code, else behind the request that the signal brought."""
    context = CONTEXT.get()
    if context is None:
        context = Context(request if hasattr(request, "META") else None)
    return context.actor(may_query=False)
