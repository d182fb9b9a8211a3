"""The registry of signals: a dotted name for each, and for each name its signal."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from django.apps import apps
from django.dispatch import Signal
from django.utils.module_loading import import_string

from signalscope.exceptions import UnknownSignal
from signalscope.registry import builtin

# A signal that no installed app's module holds.
UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class SignalInfo:
    """
    One signal of the project.

    name: dotted path, such as "shop.signals.order_paid".
    family: model, request, migration, test, database, auth, tasks, autoreload or custom.
    signal: None where its module is not imported.
    """

    name: str
    family: str
    signal: Signal | None


class Registry:
    """
    Names signals, and holds none of them alive.

    Django's own are listed; custom ones are found as attributes of the modules of installed
    apps, and of the classes in these, or are registered by hand.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[weakref.ref[Signal], str]] = {}
        self._scanned: set[str] = set()

    def register(self, signal: Signal, name: str) -> None:
        """
        Give a signal a name, in place of any other that it had.

        Raises TypeError when it is no Signal, ValueError when the name is empty or taken.
        """
        if not isinstance(signal, Signal):
            raise TypeError(
                f"signal is {signal!r}; register() takes an instance of django.dispatch.Signal"
            )
        if not isinstance(name, str) or not name:
            raise ValueError(f"name is {name!r}; give the signal's dotted path, as text")
        for reference, taken in list(self._names.values()):
            if taken == name and reference() not in (None, signal):
                raise ValueError(f"name {name!r} stands for another signal already")
        self._remember(signal, name)

    def unregister(self, signal: Signal) -> bool:
        """Forget a signal's name; tell whether it had one."""
        known = self._names.get(id(signal))
        if known is None or known[0]() is not signal:
            return False
        del self._names[id(signal)]
        return True

    def register_paths(self, paths: Sequence[str]) -> None:
        """
        Import and register the signals at dotted paths, as the SIGNALS setting gives them.

        Raises UnknownSignal where there is none.
        """
        for path in paths:
            try:
                signal = import_string(path)
            except ImportError as error:
                raise UnknownSignal(f"{path!r} cannot be imported: {error}") from error
            if not isinstance(signal, Signal):
                raise UnknownSignal(f"{path!r} is {signal!r}, not a Signal")
            self._remember(signal, path)

    def name(self, signal: Signal) -> tuple[str, bool]:
        """Return a signal's dotted name, and whether it is one of Django's own."""
        known = self._names.get(id(signal))
        if known is None or known[0]() is not signal:
            self.discover()
            known = self._names.get(id(signal))
        if known is None or known[0]() is not signal:
            # Remembered as well, so that the modules are not searched again for it.
            self._remember(signal, f"{UNNAMED}.{type(signal).__qualname__}")
            known = self._names[id(signal)]
        return known[1], known[1] in builtin.FAMILY_OF

    def find(self, name: str) -> Signal:
        """Return the signal with a dotted name; raises UnknownSignal where there is none."""
        signal = self._find(name)
        if signal is None:
            self.discover(again=True)
            signal = self._find(name)
        if signal is None:
            raise UnknownSignal(f"no signal is named {name!r}: was it renamed or moved?")
        return signal

    def _find(self, name: str) -> Signal | None:
        for reference, known in list(self._names.values()):
            if known == name and (signal := reference()) is not None:
                return signal
        return None

    def discover(self, *, again: bool = False) -> None:
        """
        Name Django's own signals and those in modules of installed apps.

        again: also look through modules that were looked through before.
        """
        for name, signal in builtin.loaded():
            self._remember(signal, name)
        if again:
            self._scanned.clear()
        for module_name, module in list(sys.modules.items()):
            if module_name in self._scanned or not apps.app_configs:
                continue
            self._scanned.add(module_name)
            if isinstance(module, ModuleType) and _is_of_installed_app(module_name):
                self._scan(module_name, module)

    def signals(self) -> list[SignalInfo]:
        """Return all named signals, Django's own first, custom ones by name."""
        self.discover(again=True)
        by_name = {}
        for reference, name in list(self._names.values()):
            signal = reference()
            if signal is not None and not name.startswith(f"{UNNAMED}."):
                by_name[name] = signal
        found = [
            SignalInfo(name, family, by_name.pop(name, None))
            for name, family in builtin.FAMILY_OF.items()
            if family != "tasks" or name in by_name or "django.tasks" in sys.modules
        ]
        custom = sorted(by_name.items())
        return found + [SignalInfo(name, builtin.CUSTOM, signal) for name, signal in custom]

    def known(self) -> list[tuple[str, Signal]]:
        """Return the signals that are named so far, and those that were sent without a name."""
        self.discover()
        known = [(name, reference()) for reference, name in list(self._names.values())]
        return [(name, signal) for name, signal in known if signal is not None]

    def _scan(self, owner_name: str, owner: ModuleType | type) -> None:
        for attribute, value in list(vars(owner).items()):
            # Not isinstance(): it would make lazy objects evaluate themselves.
            kind = type(value)
            if issubclass(kind, type) and value.__dict__.get("__module__") == owner_name:
                self._scan(f"{owner_name}.{attribute}", value)
            if not issubclass(kind, Signal):
                continue
            known = self._names.get(id(value))
            is_new = known is None or known[0]() is not value
            name = f"{owner_name}.{attribute}"
            # A signal imported into several modules is named after its own: the shortest path
            # that ends in "signals", else the shortest.
            if is_new or known is None or _is_better(name, known[1]):
                self._remember(value, name)

    def _remember(self, signal: Signal, name: str) -> None:
        self._names[id(signal)] = (weakref.ref(signal), name)


def _is_of_installed_app(module_name: str) -> bool:
    return any(
        module_name == config.name or module_name.startswith(f"{config.name}.")
        for config in list(apps.app_configs.values())
    )


def _is_better(name: str, present: str) -> bool:
    if present in builtin.FAMILY_OF:
        return False
    return _rank(name) < _rank(present)


def _rank(name: str) -> tuple[bool, bool, bool, int, str]:
    module = name.rpartition(".")[0]
    is_unnamed = name.startswith(f"{UNNAMED}.")
    # A project that imports one of signalscope's does not give it another name.
    is_foreign = not name.startswith("signalscope.")
    is_elsewhere = module.rpartition(".")[2] != "signals"
    return (is_unnamed, is_foreign, is_elsewhere, len(name), name)


registry = Registry()
