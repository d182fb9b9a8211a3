"""Who asked for work that is done elsewhere, as plain texts that a message can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from signalscope.context import MAX_TEXT_LENGTH, NOBODY, Actor, running_actor
from signalscope.recorder.strands import running_trace

_NAMES = [field.name for field in fields(Actor)]


def write() -> dict[str, str]:
    """Return who is behind the running code: texts by name, none where nothing is known."""
    actor, trace = running_actor(may_query=False), running_trace()
    if trace is not None and not actor.correlation_id:
        actor = replace(actor, correlation_id=trace.share_correlation_id())
    return {name: text for name, text in asdict(actor).items() if text}


def read(value: object) -> Actor:
    """Return who a message tells of, NOBODY where that is none of write()'s."""
    if not isinstance(value, Mapping):
        return NOBODY
    known: dict[str, Any] = {name: value[name] for name in _NAMES if name in value}
    if not all(isinstance(text, str) for text in known.values()):
        return NOBODY
    return Actor(**{name: text[:MAX_TEXT_LENGTH] for name, text in known.items()})
