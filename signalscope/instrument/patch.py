"""Puts the compiled methods into place, and takes them off again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signalscope.core.django_dispatch import OTHER_METHODS, SEND_METHODS, is_django_own
from signalscope.core.names import class_label
from signalscope.exceptions import CannotInstrument
from signalscope.instrument.command import CommandHelpers, compile_execute
from signalscope.instrument.source import compile_methods


class Patch:
    """
    signalscope's hold on Signal and BaseCommand.

    Only what is Django's own is replaced, and only what is still ours is taken off: another
    library that patches the same methods, before or after, keeps its patch.
    """

    def __init__(self) -> None:
        self._methods: dict[tuple[type, str], tuple[FunctionType, FunctionType]] = {}
        # Django's own by each of ours: a mock that was in place when ours were taken off puts
        # them back as it ends.
        self._originals: dict[FunctionType, FunctionType] = {}

    @property
    def is_installed(self) -> bool:
        """Whether install() was called and uninstall() was not."""
        return bool(self._methods)

    def install(self, helpers: Mapping[str, object], command_helpers: CommandHelpers) -> None:
        """
        Instrument Signal's four methods, and BaseCommand.execute where that can be done.

        Raises CannotInstrument, with nothing changed, when Signal's cannot be.
        """
        if self.is_installed:
            return
        for name in SEND_METHODS:
            method = Signal.__dict__[name]
            if method in self._originals:
                method = self._originals[method]
                setattr(Signal, name, method)
            if not is_django_own(method):
                raise CannotInstrument(
                    f"Signal.{name} is not Django's own but {_defined_as(method)}"
                )
        live_receivers = Signal.__dict__["_live_receivers"]
        compiled = compile_methods(
            Signal,
            SEND_METHODS,
            {
                **helpers,
                "Signal": Signal,
                "ModelSignal": ModelSignal,
                # With another library's in place nothing equals this, and no plan is trusted.
                "live_receivers": live_receivers if is_django_own(live_receivers) else None,
            },
        )
        for name, method in compiled.items():
            self._replace(Signal, name, method)
        try:
            execute = compile_execute(BaseCommand.__dict__["execute"], command_helpers)
        except CannotInstrument:
            # Commands then have no trace of their own; what they dispatch is recorded all the same.
            return
        self._replace(BaseCommand, "execute", execute)

    def uninstall(self) -> None:
        """Put Django's methods back, where ours are still there."""
        for (cls, name), (original, ours) in self._methods.items():
            if cls.__dict__.get(name) is ours:
                setattr(cls, name, original)
        self._methods.clear()

    def others(self) -> list[str]:
        """Return which of Signal's methods are neither ours nor Django's, and whose they are."""
        found = []
        for name in (*SEND_METHODS, *OTHER_METHODS):
            method = Signal.__dict__.get(name)
            _, ours = self._methods.get((Signal, name), (None, None))
            if method is ours and ours is not None:
                continue
            if not is_django_own(method):
                found.append(f"Signal.{name}: {_defined_as(method)}")
            elif ours is not None:
                found.append(f"Signal.{name}: put back as Django made it, so not recorded")
        return found

    def sends(self) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
        """Return Signal.send as Django made it, and ours; None while not installed."""
        return self._methods.get((Signal, "send"))

    def _replace(self, cls: type, name: str, ours: FunctionType) -> None:
        original: Any = cls.__dict__[name]
        self._methods[cls, name] = (original, ours)
        self._originals[ours] = original
        setattr(cls, name, ours)


def _defined_as(method: object) -> str:
    """Return where a method comes from, whatever functools.wraps() lets it say of itself."""
    # wrapt, which agents use, keeps the agent's function there.
    wrapper = getattr(method, "_self_wrapper", method)
    if type(wrapper) is FunctionType:
        return f"{wrapper.__globals__.get('__name__', '?')}.{wrapper.__code__.co_qualname}"
    return class_label(type(method))
