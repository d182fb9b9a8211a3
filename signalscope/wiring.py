"""What a project calls: begins and ends recording, and what it can say of its own work."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection
from contextvars import Token
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.dispatch import Signal
from django.utils.translation import gettext as _

from signalscope.activity.entries import make_entry
from signalscope.activity.options import check_model, make_options
from signalscope.activity.tracking import tracker
from signalscope.activity.values import json_value
from signalscope.conf import DISABLED, get_conf, is_disabled_by_environment
from signalscope.core.blocks import Block
from signalscope.core.faults import fault
from signalscope.delivery.durable import Durable
from signalscope.delivery.handing import load
from signalscope.exceptions import UnknownSignal
from signalscope.instrument.patch import Patch
from signalscope.recorder import strands
from signalscope.recorder.traces import Trace
from signalscope.registry.signals import registry
from signalscope.scope import Scope

# In characters, as many as the table has room for.
MAX_ACTION = 100

ModelClass = TypeVar("ModelClass", bound=type[Model])

_scope: Scope | None = None


def scope() -> Scope:
    """Return the parts of this process, built at the first call."""
    global _scope  # noqa: PLW0603
    if _scope is None:
        _scope = Scope()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_scope.before_fork,
                after_in_parent=_scope.after_fork_in_parent,
                after_in_child=_scope.after_fork,
            )
    return _scope


def prepare() -> None:
    """Begin to record as early as the app is known, so that class_prepared is seen."""
    if get_conf().enabled:
        scope().install()


def start() -> None:
    """Go on once all models are there; nothing happens when this is called again."""
    # The import that cannot stand at the top: it needs models. What is promised is kept also
    # where nothing is recorded.
    from signalscope.outbox.promises import Promises

    Durable.outbox = Promises()
    if get_conf().delivery.get("backend") == "celery":
        # A worker must know the task before a message comes. A system check says what is missing.
        with contextlib.suppress(ImproperlyConfigured):
            load("celery")
    if not get_conf().enabled:
        return
    try:
        registry.register_paths(get_conf().signals)
    except UnknownSignal:
        # A system check says which.
        pass
    install()
    scope().make_writer()
    scope().watch_accounts()
    scope().attend_end()


def install() -> None:
    """Instrument django.dispatch.Signal, unless that is done or the environment forbids it."""
    if not is_disabled_by_environment():
        scope().install()


def uninstall() -> None:
    """
    Take the instrumentation off Signal.

    What another library put there since stays. What was recorded is stored, and the writer ends.
    """
    scope().uninstall()


def is_installed() -> bool:
    """Tell whether dispatches are being recorded."""
    return _scope is not None and _scope.patch.is_installed


def why_off() -> str:
    """Return why nothing is recorded in this process, and what to do; "" where it is."""
    if is_disabled_by_environment():
        return _(
            "signalscope is switched off: %(name)s=%(value)s is in the environment. "
            "Remove it, and start the process again."
        ) % {"name": DISABLED, "value": os.environ[DISABLED]}
    if not get_conf().enabled:
        return _(
            "signalscope is switched off: SIGNALSCOPE['ENABLED'] is False. "
            "Set it to True, and start the process again."
        )
    if is_installed():
        return ""
    if problem := scope().problem:
        return _("signalscope is not recording: %(problem)s. Run: manage.py check") % {
            "problem": problem
        }
    return _(
        "signalscope is not recording: signalscope.uninstall() was called. "
        "Call signalscope.install() to record again."
    )


def patched_by() -> list[str]:
    """Return what somebody else changed in Signal: "Signal.send: package.module.function"."""
    return _scope.patch.others() if _scope is not None else Patch().others()


def register(signal: Signal, *, name: str) -> None:
    """
    Give a signal a dotted name, where it is no attribute of an installed app's module.

    Raises TypeError when it is no Signal, ValueError when the name is empty or taken.
    """
    registry.register(signal, name)
    _make_plans_anew()


def unregister(signal: Signal) -> bool:
    """Forget the name given to a signal; return whether it had one."""
    had_name = registry.unregister(signal)
    _make_plans_anew()
    return had_name


def _make_plans_anew() -> None:
    if _scope is not None:
        _scope.planner.make_anew()


def flush(timeout: float | None = None) -> bool:
    """
    Store what was recorded so far; return True when all of it is stored.

    timeout: s to wait at most; None waits as long as it takes. In a test run nothing is stored,
    and the answer is False, unless STORE_IN_TESTS says otherwise.
    """
    writer = scope().writer
    return writer is not None and writer.flush(timeout)


def refresh_rules() -> None:
    """
    Let the rules in the database hold in this process now.

    They do so by themselves within RULES_REFRESH_S, but in a test run.
    """
    refresh = scope().refresh
    if refresh is not None:
        refresh.now()


def log(action: str, /, target: Model | None = None, **details: Any) -> None:
    """
    Write an entry of the activity log: signalscope.log("exported report", target=order, rows=5).

    action: what was done, at most 100 characters; one that signalscope logs by itself may be
    given, too, such as "logged_in" where the project logs in by other means than Django's.
    target: what it was done to, a model instance.
    details: anything worth knowing; the values of names such as token are masked.
    The entry is stored by the writer, also when a transaction that is open now is rolled back.
    Raises ValueError for an empty or long action, TypeError where target is no model instance.
    """
    if not isinstance(action, str) or not 0 < len(action.strip()) <= len(action) <= MAX_ACTION:
        raise ValueError(
            f"action is {action!r}; say what was done, in at most {MAX_ACTION} characters"
        )
    if not (target is None or isinstance(target, Model)):
        raise TypeError(
            f"target is {target!r}; give the model instance that it was done to, "
            "or leave it out and say it in a keyword argument"
        )
    try:
        if is_installed():
            entry = make_entry(action, target, details=json_value(details))
            scope().recorder.note_entries([entry])
    except Exception as fault_error:  # noqa: BLE001
        fault("logging an activity", fault_error)


@overload
def track(
    model: ModelClass,
    /,
    *,
    fields: Collection[str] | None = ...,
    exclude: Collection[str] = ...,
    mask: Collection[str] = ...,
    raw: bool = ...,
) -> ModelClass: ...


@overload
def track(
    *,
    fields: Collection[str] | None = ...,
    exclude: Collection[str] = ...,
    mask: Collection[str] = ...,
    raw: bool = ...,
) -> Callable[[ModelClass], ModelClass]: ...


def track(
    model: type[Model] | None = None,
    /,
    *,
    fields: Collection[str] | None = None,
    exclude: Collection[str] = (),
    mask: Collection[str] = (),
    raw: bool = False,
) -> Any:
    """
    Log what is created, updated and deleted of a model: track(Order, exclude=["note"]).

    It decorates a class, too, with and without options. The model's proxies and multi-table
    children are tracked with it. What is said of a model later replaces what was said before.
    fields: names of the fields to log; None for all but those with auto_now.
    exclude: names of fields to leave out. mask: names of fields whose values are never stored.
    raw: whether what loaddata saves is logged.
    Returns the model. Raises TypeError for what is no model, no list of names or no bool,
    ValueError for an abstract or swapped model and for fields that the model has not.
    """
    if model is None:
        return partial(track, fields=fields, exclude=exclude, mask=mask, raw=raw)
    options = make_options(model, fields=fields, exclude=exclude, mask=mask, raw=raw)
    tracker.track(model, options)
    return model


def untrack(model: type[Model]) -> None:
    """
    Log no more what is done to a model, nor to its proxies and multi-table children.

    What SIGNALSCOPE["TRACK"] says of the model by its full label stays in force.
    Raises TypeError and ValueError as track() does.
    """
    tracker.track(check_model(model), None)


class trace(Block):  # noqa: N801
    """
    Record what is dispatched in a block, or in a function, as one trace.

    name: what the trace is called, such as "nightly import".
    A trace inside another one is a trace of its own; inside suppress() nothing is recorded.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"name is {name!r}; give the trace a name, as text")
        self.name = name
        self._traces: list[Trace | None] = []

    def __enter__(self) -> None:
        opened = None
        try:
            if is_installed():
                opened = scope().recorder.open_trace("block", self.name)
        except Exception as fault_error:  # noqa: BLE001
            fault("opening a block's trace", fault_error)
        self._traces.append(opened)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened = self._traces.pop()
        if opened is None:
            return
        if kind is not None:
            opened.status = "error"
        try:
            scope().recorder.close_trace(opened)
        except Exception as fault_error:  # noqa: BLE001
            fault("closing a block's trace", fault_error)

    def again(self) -> trace:
        """Return another one like this."""
        return trace(self.name)


class suppress(Block):  # noqa: N801
    """Do not record what is dispatched in a block, or in a function, and in what it awaits."""

    def __init__(self) -> None:
        self._tokens: list[Token[strands.Strand | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(strands.CURRENT.set(strands.Strand(strands.DISCARD)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        strands.CURRENT.reset(self._tokens.pop())

    def again(self) -> suppress:
        """Return another one like this."""
        return suppress()
