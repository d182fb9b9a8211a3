"""What the doctor looks at: who is connected, and the sources of the installed apps."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from django.apps import AppConfig, apps
from django.db.models import Model
from django.dispatch import Signal

from signalscope.core.django_dispatch import entries
from signalscope.core.names import wrapped
from signalscope.doctor.connects import Connect, find_connects
from signalscope.doctor.files import is_foreign, module_of, python_files
from signalscope.doctor.finding import Finding, Kind
from signalscope.doctor.names import Names
from signalscope.doctor.records import Records
from signalscope.doctor.sends import Send, find_sends
from signalscope.doctor.sources import Function, Source, Sources, head_of
from signalscope.registry.builtin import CUSTOM
from signalscope.registry.receivers import ReceiverInfo, described, function_of
from signalscope.registry.signals import SignalInfo, registry

_DELIVERY_FOLDER = str(Path(__file__).parents[1] / "delivery")


@dataclass(frozen=True, slots=True)
class Connection:
    """
    One entry of a signal's receivers.

    info: what the registry says of it. receiver: None where it is collected.
    sender_key: None where it hears any. sender: the sender, None where it hears any or where
    Django knows no more than a key.
    """

    signal: Signal
    info: ReceiverInfo
    receiver: Any
    sender: Any
    sender_key: Any

    @property
    def heard(self) -> str:
        """What it hears, as one reads it: "post_save of shop.Order"."""
        name = signal_text(self.info.signal, self.info.family)
        return f"{name} of {self.info.sender}" if self.info.sender else name


@dataclass(frozen=True, slots=True)
class Read:
    """A receiver whose source was read: what it hears, its function and its names."""

    connections: list[Connection]
    source: Source
    node: Function
    names: Names

    @property
    def label(self) -> str:
        """The receiver's name."""
        return self.connections[0].info.receiver


class Project:
    """
    Receivers, models and source files of one examination.

    is_all: those of Django and of installed packages, too. records: what roll-ups and traces
    say, None where they are not asked or cannot be read. collects: whether garbage is collected
    first, so that receivers that nothing holds are gone.
    """

    def __init__(
        self, *, is_all: bool = False, records: Records | None = None, collects: bool = False
    ) -> None:
        self.is_all = is_all
        self.records = records
        self.sources = Sources()
        # Receivers that a diagnosis wanted to read, and could not.
        self.unread: set[str] = set()
        self.infos = registry.signals()
        found = list(_connected(self.infos, collects=collects))
        self.connections = [
            one for one in found if one.receiver is not None and self.is_looked_at(one.info.file)
        ]
        self.dead = [one for one in found if one.receiver is None]
        self.signal_count = len({one.info.signal for one in self.connections})

    def is_looked_at(self, file: str) -> bool:
        """Tell whether what stands in a file is the project's own, or all is looked at."""
        return self.is_all or not is_foreign(file)

    @cached_property
    def groups(self) -> list[list[Connection]]:
        """Connections by receiver."""
        return grouped(self.connections)

    @property
    def receiver_count(self) -> int:
        """How many receivers are looked at."""
        return len(self.groups)

    @cached_property
    def sends(self) -> list[Send]:
        """The places that send signals."""
        return find_sends(self.files(".send", ".asend"))

    @cached_property
    def connects(self) -> list[tuple[Source, Connect]]:
        """What connects receivers to signals that are known, with the file that it stands in."""
        return [
            (source, connect)
            for source in self.files("connect", "receiver")
            for connect in find_connects(source)
        ]

    @cached_property
    def methods(self) -> dict[int, set[str]]:
        """By which methods signals are sent, by id: from sources and from stored traces."""
        found: dict[int, set[str]] = {}
        for send in self.sends:
            found.setdefault(id(send.signal), set()).add(send.method)
        ids = {info.name: id(info.signal) for info in self.infos if info.signal is not None}
        for name, method in self.records.methods if self.records is not None else ():
            if name in ids:
                found.setdefault(ids[name], set()).add(method)
        return found

    def sent_by(self, *methods: str) -> list[Connection]:
        """Return the connections to signals that are sent by one of some methods."""
        wanted = set(methods)
        return [one for one in self.connections if wanted & self.methods.get(id(one.signal), set())]

    def is_heard(self, signal: Signal) -> bool:
        """Tell whether somebody is connected to a signal, whoever it is."""
        return any(entry.receiver is not None for entry in entries(signal))

    def file_of_signal(self, name: str) -> str:
        """Return the file of the module that a signal is named after, "" where it has none."""
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = sys.modules.get(".".join(parts[:length]))
            if module is not None:
                return getattr(module, "__file__", None) or ""
        return ""

    def read(self, connections: Iterable[Connection]) -> Iterator[Read]:
        """Give the receivers among connections whose source can be read, and count the others."""
        for group in grouped(connections):
            function = function_of(group[0].receiver)
            place = None if function is None else self.sources.of(function)
            if function is None or place is None:
                self.unread.add(group[0].info.receiver)
            else:
                source, node = place
                yield Read(group, source, node, Names.of(source, function))

    def apps(self) -> list[AppConfig]:
        """Return the installed apps that are looked at."""
        return [
            config
            for config in apps.get_app_configs()
            if self.is_looked_at(str(Path(config.path) / "apps.py"))
        ]

    def files(self, *words: str) -> Iterator[Source]:
        """Give the sources of the apps' files, tests left out, that have one of some words."""
        for path, module in self._paths:
            try:
                text = path.read_bytes()
            except OSError:
                continue
            if any(word.encode() in text for word in words):
                source = self.sources.read(str(path), module)
                if source is not None:
                    yield source

    @cached_property
    def _paths(self) -> list[tuple[Path, str]]:
        found: dict[Path, str] = {}
        # An app within another one has files with both.
        for config in sorted(self.apps(), key=lambda config: -len(config.path)):
            for path in python_files(Path(config.path)):
                found.setdefault(path, module_of(path, Path(config.path), config.name))
        return sorted(found.items())

    def finding(
        self, kind: Kind, message: str, connections: Iterable[Connection], line: int = 0
    ) -> Finding:
        """Return a finding about a receiver: where it is defined, or in a line of its body."""
        first = next(iter(connections))
        function = function_of(first.receiver)
        place = None if function is None else self.sources.of(function)
        return Finding(
            kind,
            message,
            first.info.file,
            line or first.info.line,
            signal=first.info.signal,
            receiver=first.info.receiver,
            spots=(
                ()
                if place is None
                else ((place[0].path, *head_of(place[1])), (place[0].path, line, line))
            ),
        )


def _connected(infos: list[SignalInfo], *, collects: bool) -> Iterator[Connection]:
    before = [[found for found, _ in described(info)] for info in infos]
    if collects:
        # What is held by nothing but a cycle is as good as gone.
        gc.collect()
    models = _models()
    for info, earlier in zip(infos, before, strict=True):
        if info.signal is None:
            continue
        for position, (found, entry) in enumerate(described(info)):
            is_gone = entry.receiver is None and position < len(earlier)
            # What it was, where it was there a moment ago.
            known = earlier[position] if is_gone else found
            sender = entry.sender
            if sender is None and entry.sender_key is not None:
                # Django 5.2 keeps nothing but the sender's id.
                sender = models.get(entry.sender_key)
            yield Connection(info.signal, known, entry.receiver, sender, entry.sender_key)


def _models() -> dict[int, type[Model]]:
    found: dict[int, type[Model]] = {}
    waiting: list[type[Model]] = [Model]
    while waiting:
        model = waiting.pop()
        if id(model) not in found:
            found[id(model)] = model
            waiting += model.__subclasses__()
    return found


def grouped(connections: Iterable[Connection]) -> list[list[Connection]]:
    """Return connections by receiver; a bound method is one with each of its kind."""
    groups: dict[Any, list[Connection]] = {}
    for one in connections:
        receiver = one.receiver
        key: Any = id(receiver)
        if type(receiver) is MethodType:
            key = id(receiver.__self__), id(receiver.__func__)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def heard(connections: Iterable[Connection], most: int = 3) -> str:
    """Return what a receiver hears, as one reads it: "post_save of shop.Order, order_paid"."""
    texts = list(dict.fromkeys(one.heard for one in connections))
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def signal_text(name: str, family: str) -> str:
    """Return a signal's name: of Django's own the last part, which everybody knows."""
    return name if family == CUSTOM else name.rpartition(".")[2]


def is_put_off(receiver: object) -> bool:
    """Tell whether a receiver runs after the commit, or elsewhere: it stands below a decorator."""
    function = receiver.__func__ if type(receiver) is MethodType else receiver
    return any(
        type(one) is FunctionType and one.__code__.co_filename.startswith(_DELIVERY_FOLDER)
        for one in (function, *wrapped(function))
    )
