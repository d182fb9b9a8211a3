"""Who is connected to a signal, and what runs when a model is saved."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType
from typing import Any

from django.apps import apps
from django.db.models import Model

from signalscope.core.django_dispatch import Entry, entries
from signalscope.core.names import receiver_label, sender_label, unwrap
from signalscope.registry.signals import SignalInfo, registry

COLLECTED = "(collected)"
# What is known of a sender that Django 5.2 keeps nothing of but the id.
UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class ReceiverInfo:
    """
    One connected receiver.

    signal, sender, receiver: labels; sender is "" where the receiver hears any.
    dispatch_uid: text of the one given to connect(), else "".
    file, line: where it is defined; "" and 0 where that cannot be told.
    """

    signal: str
    family: str
    sender: str
    receiver: str
    dispatch_uid: str
    is_weak: bool
    is_async: bool
    file: str
    line: int

    @property
    def place(self) -> str:
        """File and line, as an editor opens them."""
        return f"{self.file}:{self.line}" if self.file else ""


@dataclass(frozen=True, slots=True)
class Run:
    """A receiver that runs for a model; is_catch_all when it hears every sender."""

    info: ReceiverInfo
    is_catch_all: bool


# Senders' labels by id, made when they are first asked for.
Labels = Callable[[], dict[Any, str]]

# What a save and a delete send, in this order.
MODEL_SIGNALS = ("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete")


def receivers_of(info: SignalInfo) -> list[ReceiverInfo]:
    """Return a signal's connected receivers, in the order in which they are called."""
    return sorted([found for found, _ in described(info)], key=lambda found: found.is_async)


def described(info: SignalInfo) -> list[tuple[ReceiverInfo, Entry]]:
    """Return a signal's connected receivers with their entries, in connection order."""
    if info.signal is None:
        return []
    labels = functools.cache(_labels_by_id)
    return [(_describe(info, entry, labels), entry) for entry in entries(info.signal)]


def all_receivers() -> list[ReceiverInfo]:
    """Return the connected receivers of all named signals."""
    return [receiver for info in registry.signals() for receiver in receivers_of(info)]


def runs_for_model(model: type[Model]) -> list[Run]:
    """
    Return what runs when a model is saved or deleted, in order.

    m2m_changed is sent with the model that stands between, so that it is asked for those.
    """
    through = [field.remote_field.through for field in model._meta.many_to_many]
    found = []
    for info in registry.signals():
        module, _, attribute = info.name.rpartition(".")
        if module != "django.db.models.signals" or info.signal is None:
            continue
        if attribute in MODEL_SIGNALS:
            senders: list[Any] = [model]
        elif attribute == "m2m_changed":
            senders = through
        else:
            continue
        found += _runs(info, senders)
    return found


def _runs(info: SignalInfo, senders: list[Any]) -> list[Run]:
    assert info.signal is not None
    keys = {id(sender) for sender in senders}
    labels = functools.cache(_labels_by_id)
    matching = [
        Run(_describe(info, entry, labels), is_catch_all=entry.sender_key is None)
        for entry in entries(info.signal)
        if keys and (entry.sender_key is None or entry.sender_key in keys)
    ]
    return sorted(matching, key=lambda run: run.info.is_async)


def _describe(info: SignalInfo, entry: Entry, labels: Labels) -> ReceiverInfo:
    file, line = place_of(entry.receiver)
    return ReceiverInfo(
        signal=info.name,
        family=info.family,
        sender=_sender_text(entry, labels),
        receiver=COLLECTED if entry.receiver is None else receiver_label(entry.receiver),
        dispatch_uid="" if entry.dispatch_uid is None else str(entry.dispatch_uid),
        is_weak=entry.is_weak,
        is_async=entry.is_async,
        file=file,
        line=line,
    )


def _sender_text(entry: Entry, labels: Labels) -> str:
    if entry.sender_key is None:
        return ""
    if entry.sender is not None:
        return sender_label(entry.sender)
    # Django 5.2 keeps nothing but the sender's id.
    return labels().get(entry.sender_key, UNKNOWN)


def _labels_by_id() -> dict[Any, str]:
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    labels = {id(model): sender_label(model) for model in models}
    labels.update({id(config): sender_label(config) for config in apps.get_app_configs()})
    return labels


def place_of(receiver: object) -> tuple[str, int]:
    """Return the file and line that a receiver is defined in, ("", 0) where it has none."""
    function = function_of(receiver)
    if function is None:
        return "", 0
    code: CodeType = function.__code__
    return code.co_filename, code.co_firstlineno


def function_of(receiver: object) -> FunctionType | None:
    """Return the Python function that runs in the end, None where there is none."""
    receiver = unwrap(receiver)
    if isinstance(receiver, functools.partial):
        return function_of(receiver.func)
    if type(receiver) is MethodType:
        return function_of(receiver.__func__)
    if type(receiver) is FunctionType:
        return receiver
    if receiver is None:
        return None
    call = inspect.getattr_static(type(receiver), "__call__", None)
    return function_of(call) if type(call) is FunctionType else None
