"""D003: receivers that wait for a sender which sends nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.db.models.signals import ModelSignal

from signalscope.core.names import receiver_label
from signalscope.doctor.connects import Connect
from signalscope.doctor.finding import NEVER_SENT, Finding
from signalscope.doctor.project import Connection, Project, signal_text
from signalscope.doctor.sources import first_line
from signalscope.registry.receivers import place_of

CLASS_PREPARED = "django.db.models.signals.class_prepared"


def silent_senders(project: Project) -> Iterator[Finding]:
    """Give receivers of models that are swapped or abstract."""
    for one in project.connections:
        if why := _why_silent(one):
            yield project.finding(
                NEVER_SENT, f"{one.info.receiver} hears {one.heard}, {why}.", [one]
            )


def _why_silent(one: Connection) -> str:
    model = one.sender
    if not (isinstance(model, type) and issubclass(model, Model)):
        return ""
    meta = getattr(model, "_meta", None)
    if meta is None:
        return ""
    if meta.abstract:
        # A project may send its own signals for an abstract class; Django sends none.
        is_djangos = one.info.family == "model"
        return "an abstract model, whose children send their own" if is_djangos else ""
    if one.info.signal == CLASS_PREPARED:
        # Also a class that is swapped was prepared.
        return ""
    return f"but {meta.swappable} is {meta.swapped}" if meta.swapped else ""


def senders_by_name(project: Project) -> Iterator[Finding]:
    """Give receivers that name a model to a signal which takes a text for a text."""
    names = {id(info.signal): signal_text(info.name, info.family) for info in project.infos}
    for source, connect in project.connects:
        label = _label(connect)
        if label and not isinstance(connect.signal, ModelSignal):
            line = first_line(connect.node)
            signal = names.get(id(connect.signal), "a signal")
            yield Finding(
                NEVER_SENT,
                f'A receiver hears {signal} of the text "{label}"; only signals of models '
                "take that for the model.",
                source.path,
                line,
                spots=((source.path, line, connect.last_line),),
            )


def _label(connect: Connect) -> str:
    """Return the model that is named as text for a sender, "" where that is something else."""
    sender = connect.sender
    if sender is None:
        return ""
    if connect.names.origin(sender) == "django.conf.settings.AUTH_USER_MODEL":
        return str(settings.AUTH_USER_MODEL)
    value = sender.value if isinstance(sender, ast.Constant) else None
    labels = {model._meta.label_lower for model in apps.get_models(include_swapped=True)}
    return value if isinstance(value, str) and value.lower() in labels else ""


def lazy_senders(project: Project) -> Iterator[Finding]:
    """Give receivers of models that were given by name, and never came."""
    pending: dict[tuple[str, str], list[Any]] = apps._pending_operations
    for (app_label, model), operations in list(pending.items()):
        for operation in operations:
            found = _receiver_of(operation)
            if found is None:
                continue
            signal, receiver = found
            file, line = place_of(receiver)
            if project.is_looked_at(file):
                name = receiver_label(receiver)
                yield Finding(
                    NEVER_SENT,
                    f'{name} waits for the model "{app_label}.{model}", which there is not.',
                    file,
                    line,
                    signal=_signal_name(project, signal),
                    receiver=name,
                    spots=((file, line, line),),
                )


def _receiver_of(operation: Any) -> tuple[ModelSignal, Any] | None:
    """
    Return signal and receiver of what waits for a model, None where it is no receiver.

    ModelSignal leaves a partial of its connect() behind, Apps a function with that as ``func``.
    """
    arguments: list[Any] = []
    while hasattr(operation, "func"):
        arguments += getattr(operation, "args", ())
        operation = operation.func
    owner = getattr(operation, "__self__", None)
    is_connect = getattr(operation, "__name__", "") == "connect"
    if not (isinstance(owner, ModelSignal) and is_connect and arguments):
        return None
    return owner, arguments[0]


def _signal_name(project: Project, signal: ModelSignal) -> str:
    return next((info.name for info in project.infos if info.signal is signal), "")
