"""Puts the compiled methods into place, and takes them off again."""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signalscope.core.django_dispatch import SEND_METHODS, is_django_own
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
                    f"Signal.{name} is not Django's own but "
                    f"{getattr(method, '__module__', '?')}.{getattr(method, '__qualname__', '?')}"
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

    def _replace(self, cls: type, name: str, ours: FunctionType) -> None:
        original: Any = cls.__dict__[name]
        self._methods[cls, name] = (original, ours)
        self._originals[ours] = original
        setattr(cls, name, ours)
