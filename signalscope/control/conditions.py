"""Decorators that let a receiver run under a condition only."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.apps import apps
from django.db.models import Model
from django.db.models.signals import post_save, pre_save

from signalscope.conf import given
from signalscope.control.changed import MARK, NotKnown, find_changes, watch_fields
from signalscope.control.wrapping import Arguments, Condition, wrap

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


@dataclass(frozen=True)
class SignalCondition(Condition):
    """Holds where a function of the project's says so."""

    name = "signal_condition"
    predicate: Callable[..., Any]

    @property
    def is_async(self) -> bool:  # type: ignore[override]
        """Whether the function is."""
        return iscoroutinefunction(self.predicate)

    def refuse(self, named: Arguments) -> str:
        """Ask the function."""
        return "" if self.predicate(**named) else self._text

    async def arefuse(self, named: Arguments) -> str:
        """Ask the function, which may be async."""
        answer = self.predicate(**named)
        return "" if (await answer if inspect.isawaitable(answer) else answer) else self._text

    @property
    def _text(self) -> str:
        kind = type(self.predicate)
        return f"{self.name}({getattr(self.predicate, '__qualname__', kind.__qualname__)})"


@dataclass(frozen=True)
class ForModels(Condition):
    """Holds for some senders; labels are as in Model._meta.label_lower."""

    name = "only_for_models"
    models: frozenset[type[Model]]
    labels: frozenset[str]

    def refuse(self, named: Arguments) -> str:
        """Look at the sender."""
        sender = named.get("sender")
        classes = sender.__mro__ if isinstance(sender, type) else ()
        return (
            ""
            if any(cls in self.models or self._is_labelled(cls) for cls in classes)
            else self.name
        )

    def _is_labelled(self, cls: type) -> bool:
        # Models that a migration makes up have the labels of real ones.
        meta: Any = cls.__dict__.get("_meta")
        return meta is not None and meta.apps is apps and meta.label_lower in self.labels

    def unknown_labels(self) -> list[str]:
        """Return the labels that stand for no model, once all models are there."""
        known = {model._meta.label_lower for model in apps.get_models(include_auto_created=True)}
        return sorted(self.labels - known)


@dataclass(frozen=True)
class InEnvironment(Condition):
    """Holds in some environments."""

    name = "only_in_environment"
    names: frozenset[str]

    def refuse(self, named: Arguments) -> str:
        """Look at the setting ENVIRONMENT."""
        environment = find_environment()
        if environment is None:
            return f"{self.name}: SIGNALSCOPE['ENVIRONMENT'] is not set"
        return "" if environment in self.names else self.name


@dataclass(frozen=True)
class WhenCreated(Condition):
    """Holds for new objects."""

    name = "only_when_created"

    def refuse(self, named: Arguments) -> str:
        """Look at what post_save says, or at the instance."""
        if "created" in named:
            return "" if named["created"] else self.name
        if named.get("signal") is not pre_save:
            raise TypeError(
                "only_when_created takes receivers of post_save, pre_save, and of signals that "
                f"are sent with 'created'; this one was sent with {_names(named)}"
            )
        return "" if named["instance"]._state.adding else self.name


@dataclass(frozen=True)
class NotRaw(Condition):
    """Holds for everything but fixtures."""

    name = "not_raw"

    def refuse(self, named: Arguments) -> str:
        """Look at what the signal says of itself."""
        return self.name if named.get("raw") else ""


@dataclass(frozen=True)
class WhenFieldChanged(Condition):
    """
    Holds where a save changes one of some fields.

    is_told: the receiver takes an argument "changed".
    """

    name = "only_when_field_changed"
    fields: tuple[str, ...]
    is_told: bool

    def refuse(self, named: Arguments) -> str:
        """Compare what is saved with what the database held."""
        if named.get("signal") not in (pre_save, post_save):
            raise TypeError(
                "only_when_field_changed() takes receivers of pre_save and post_save; this one "
                f"was sent {named.get('signal')!r} with {_names(named)}"
            )
        try:
            changed = find_changes(self.fields, named)
        except NotKnown:
            return f"{self.name}: what this save has changed is not known"
        if not changed:
            return self.name
        if self.is_told:
            # Of an outer condition of this sort, what that one has found.
            named["changed"] = {**named.get("changed", {}), **changed}
        return ""

    async def arefuse(self, named: Arguments) -> str:
        """Compare in the thread that saves, since that may run a query before the save."""
        if named.get("signal") is pre_save:
            return await sync_to_async(self.refuse)(named)
        return self.refuse(named)


def signal_condition(predicate: Callable[..., Any]) -> Callable[[Receiver], Receiver]:
    """
    Let a receiver run where a predicate is true: @signal_condition(lambda instance, **_: ...).

    predicate: called as the receiver is, with signal, sender and whatever else was sent, by name;
    with an async receiver it may be async, too. What it raises is the receiver's error.
    Raises TypeError for what cannot be called, and as it decorates a sync receiver with an async
    predicate.
    """
    if not callable(predicate):
        raise TypeError(f"signal_condition() takes a function, not {predicate!r}")

    def decorate(receiver: Receiver) -> Receiver:
        if iscoroutinefunction(predicate) and not iscoroutinefunction(receiver):
            raise TypeError(
                f"{receiver!r} is sync, so that signal_condition() cannot await {predicate!r}: "
                "give it a sync predicate, or make the receiver async"
            )
        wrapper: Receiver = wrap(receiver, SignalCondition(predicate))
        return wrapper

    return decorate


def only_for_models(*models_or_labels: type[Model] | str) -> Callable[[Receiver], Receiver]:
    """
    Let a receiver run for senders that are one of some models, or inherit from one.

    models_or_labels: classes, also abstract ones, or labels such as "shop.Order".
    Proxies and multi-table children count; historical models of migrations do not, by their
    label. The sender is what is looked at: of m2m_changed, the model in between.
    Raises TypeError for what is neither or nothing at all, ValueError for what is no label.
    """
    models, labels = set(), set()
    for given_model in models_or_labels:
        if isinstance(given_model, str):
            app_label, dot, name = given_model.partition(".")
            if not (app_label and name and dot) or "." in name:
                raise ValueError(
                    f'only_for_models() takes labels such as "shop.Order", not {given_model!r}'
                )
            labels.add(f"{app_label}.{name.lower()}")
        elif isinstance(given_model, type) and issubclass(given_model, Model):
            models.add(given_model)
        else:
            raise TypeError(
                f'only_for_models() takes models and labels such as "shop.Order", '
                f"not {given_model!r}"
            )
    if not models_or_labels:
        raise TypeError('only_for_models() takes at least one model, or label such as "shop.Order"')
    return functools.partial(wrap, wrapping=ForModels(frozenset(models), frozenset(labels)))


def only_when_field_changed(*fields: str) -> Callable[[Receiver], Receiver]:
    """
    Let a receiver of pre_save or post_save run where the save changes one of some fields.

    fields: their names; a foreign key's may be given with "_id", too.
    A receiver that takes an argument "changed" gets {"price": (old, new)} for those that are
    changed, as the field loads them: keys for foreign keys, None for old where the object is new.
    Raises TypeError where no name is given, or what is no text; at the first call, TypeError for
    other signals and FieldDoesNotExist where the model has no such field.
    """
    _check_texts("only_when_field_changed", "names of fields", fields)
    watch_fields(fields)

    def decorate(receiver: Receiver) -> Receiver:
        condition = WhenFieldChanged(fields, is_told=_takes(receiver, "changed"))
        wrapper: Receiver = wrap(receiver, condition)
        setattr(getattr(wrapper, "__func__", wrapper), MARK, True)
        return wrapper

    return decorate


def only_in_environment(*names: str) -> Callable[[Receiver], Receiver]:
    """
    Let a receiver run where SIGNALSCOPE["ENVIRONMENT"] is one of some names.

    Where there is no such setting, it does not run; a system check says so.
    Raises TypeError where no name is given, or what is no text.
    """
    _check_texts("only_in_environment", "names of environments", names)
    return functools.partial(wrap, wrapping=InEnvironment(frozenset(names)))


@overload
def only_when_created(receiver: Receiver, /) -> Receiver: ...


@overload
def only_when_created() -> Callable[[Receiver], Receiver]: ...


def only_when_created(receiver: Callable[..., Any] | None = None, /) -> Any:
    """
    Let a receiver run for new objects: post_save says which, before it the instance does.

    With pre_save, an instance with the primary key of a row counts as new, unless it was loaded.
    Raises TypeError at the first call for signals that do not say it.
    """
    decorate = functools.partial(wrap, wrapping=WhenCreated())
    return decorate if receiver is None else decorate(receiver)


@overload
def not_raw(receiver: Receiver, /) -> Receiver: ...


@overload
def not_raw() -> Callable[[Receiver], Receiver]: ...


def not_raw(receiver: Callable[..., Any] | None = None, /) -> Any:
    """Let a receiver run, except for what loaddata saves: where it is sent with raw=True."""
    decorate = functools.partial(wrap, wrapping=NotRaw())
    return decorate if receiver is None else decorate(receiver)


def find_environment() -> str | None:
    """Return SIGNALSCOPE["ENVIRONMENT"], None where it is not given, or cannot be used."""
    # Not of get_conf(), which follows a change of settings only while dispatches are recorded.
    environment = given().get("ENVIRONMENT")
    return environment if isinstance(environment, str) and environment else None


def _takes(receiver: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(receiver).parameters
    except ValueError:
        return False


def _check_texts(function: str, what: str, texts: tuple[str, ...]) -> None:
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise TypeError(f"{function}() takes {what}, at least one, not {texts!r}")


def _names(named: Arguments) -> str:
    return ", ".join(sorted(named))
