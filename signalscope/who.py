"""The user behind something: looked up when somebody asks, and never where that cannot be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.functional import LazyObject, empty

if TYPE_CHECKING:
    from django.http import HttpRequest

# django.contrib.auth.SESSION_KEY; that package cannot be imported before the apps are known.
_SESSION_KEY = "_auth_user_id"
MAX_LABEL_LENGTH = 255
# The user is the request's, at the moment that somebody asks.
OF_REQUEST: Any = object()
# There may be a user, who was not loaded yet.
_UNKNOWN: Any = object()


@dataclass(frozen=True, slots=True)
class Named:
    """What is left of a user: the primary key and a text; a mere label, "cron", has no key."""

    key: str = ""
    label: str = ""


_NO_ONE = Named()


class Who:
    """
    The user behind something.

    request: None outside of requests. given: an instance, also a lazy one, Named, None for nobody,
    or OF_REQUEST.
    """

    __slots__ = ("_given", "_loaded", "_request")

    def __init__(self, request: HttpRequest | None, given: Any) -> None:
        self._request = request
        self._given = given
        self._loaded = _UNKNOWN

    def user(self) -> Any | None:
        """Return the user, loaded if need be; None for nobody, and for a mere label."""
        known = self._known()
        if known is _UNKNOWN:
            lazy = self._lazy()
            # Any use of it loads what it stands for.
            bool(lazy)
            known = lazy._wrapped
        return self._load(known) if isinstance(known, Named) else _somebody(known)

    async def auser(self) -> Any | None:
        """Do what user() does, without blocking the event loop."""
        known = self._known()
        ask = getattr(self._request, "auser", None)
        if known is _UNKNOWN and self._given is OF_REQUEST and ask is not None:
            return _somebody(await ask())
        if known is _UNKNOWN or isinstance(known, Named):
            return await sync_to_async(self.user)()
        return _somebody(known)

    def named(self, *, may_query: bool) -> Named:
        """
        Return key and text of the user, both "" for nobody.

        may_query: whether a user who was not loaded may be; in an event loop that never happens.
        Where it does not, there is the key in the session, if the session was loaded.
        """
        known = self._known()
        is_told = known is not _UNKNOWN
        if may_query and not (is_told and _is_complete(known)) and not _is_in_event_loop():
            try:
                found = self.user()
            except Exception:  # noqa: BLE001
                # The project sees it where it asks itself; what was done is told all the same.
                found = known
            # Of a user who is deleted by now the key is known.
            known = known if found is None and is_told else found
        if isinstance(known, Named):
            return known
        if known is _UNKNOWN:
            return self._in_session()
        user = _somebody(known)
        return _NO_ONE if user is None else Named(_key(user), _label(user))

    def _lazy(self) -> Any:
        if self._given is OF_REQUEST:
            return getattr(self._request, "user", None)
        return self._given

    def _known(self) -> Any:
        """Return the user, also an anonymous one, or Named; _UNKNOWN where that takes a query."""
        user = self._lazy()
        if not isinstance(user, LazyObject):
            return user
        if user._wrapped is not empty:
            return user._wrapped
        # request.auser() keeps what it found there, and leaves request.user as it is.
        is_requests = self._given is OF_REQUEST
        return getattr(self._request, "_acached_user", _UNKNOWN) if is_requests else _UNKNOWN

    def _in_session(self) -> Named:
        session = getattr(self._request, "session", None)
        # Past its methods, which would load it, or note that it was accessed.
        data = getattr(session, "_session_cache", None) or {}
        return Named(str(data.get(_SESSION_KEY, "")))

    def _load(self, named: Named) -> Any | None:
        if not named.key:
            return None
        if self._loaded is _UNKNOWN:
            users = apps.get_model(settings.AUTH_USER_MODEL)._default_manager
            try:
                user = users.filter(pk=named.key).first()
            except (ValueError, ValidationError):
                user = None
            # The key may be one of another model: then the label is another one.
            is_same = user is not None and named.label in ("", _label(user))
            self._loaded = user if is_same else None
        return self._loaded


def _is_complete(known: Any) -> bool:
    return not isinstance(known, Named) or bool(known.label) or not known.key


def _somebody(user: Any) -> Any | None:
    """Return the user, None for an anonymous one."""
    return user if user is not None and getattr(user, "is_authenticated", True) else None


def _key(user: Any) -> str:
    return "" if user.pk is None else str(user.pk)


def _label(user: Any) -> str:
    try:
        name = user.get_username() if hasattr(user, "get_username") else user
        return str(name)[:MAX_LABEL_LENGTH]
    except Exception:  # noqa: BLE001
        # Of the project's own class; the key says enough.
        return ""


def _is_in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
