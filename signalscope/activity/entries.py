"""Makes entries of the activity log, with who did it and in which trace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import models

from signalscope.activity import values
from signalscope.conf import get_conf
from signalscope.context import Actor, running_actor
from signalscope.recorder.notes import Entry
from signalscope.recorder.strands import running_trace
from signalscope.recorder.traces import Trace

# Why a trace is kept that an entry refers to.
_REASON = "activity"


def make_entry(
    action: str,
    obj: models.Model | None = None,
    *,
    object_type: str = "",
    object_key: str = "",
    object_label: str = "",
    changes: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
    may_query: bool = False,
    actor: Actor | None = None,
) -> Entry:
    """
    Return an entry of the running code's doing, now.

    obj: what it was done to; else object_type, object_key and object_label say so.
    changes, details: of values that JSON has. may_query: whether to look up a user who was not
    loaded yet. actor: who did it; None for whoever is behind the running code.
    """
    actor = actor or running_actor(may_query=may_query)
    trace = running_trace()
    if actor.reason:
        details = {"reason": actor.reason, **(details or {})}
    if obj is not None:
        object_type = type_label(obj)
        object_key = values.object_key(obj)
        object_label = values.object_label(obj)
    return Entry(
        at=datetime.now(UTC),
        action=action,
        actor_key=actor.key,
        actor_label=actor.label,
        object_type=object_type,
        object_key=object_key,
        object_label=object_label,
        changes=changes or {},
        details=details or {},
        ip_address=actor.ip_address,
        user_agent=actor.user_agent,
        correlation_id=actor.correlation_id or _correlation_id(trace),
        trace_key=_trace_key(trace),
    )


def type_label(obj: models.Model | type[models.Model]) -> str:
    """Return the label under which a model's objects are logged; a proxy is what it stands for."""
    concrete = obj._meta.concrete_model
    assert concrete is not None
    return concrete._meta.label


def _correlation_id(trace: Trace | None) -> str:
    return "" if trace is None else trace.find_correlation_id()


def _trace_key(trace: Trace | None) -> int | None:
    """Return the key that an entry finds its trace by; KEEP_ACTIVITY says whether that is kept."""
    if trace is None:
        return None
    return trace.refer(_REASON if get_conf().keep_activity else "")
