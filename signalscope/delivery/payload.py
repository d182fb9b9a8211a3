"""What a dispatch was sent with, as JSON that another process can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from django.apps import AppConfig, apps
from django.core.exceptions import ValidationError
from django.db.models import Manager, Model, QuerySet
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.functional import LazyObject

from signalscope.core.names import class_label
from signalscope.delivery.instances import (
    Found,
    find_model,
    is_model,
    pack_instance,
    unpack_instance,
)
from signalscope.delivery.references import find_module, follow, locate, refer, resolve
from signalscope.delivery.values import MAX_DEPTH, CannotPack, pack_plain, unpack_plain
from signalscope.exceptions import UnknownSignal, UnreadablePayload
from signalscope.registry.signals import UNNAMED, registry

VERSION = 1

# What reading anything but a payload comes to.
_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValidationError,
    ValueError,
)
_ADVICE: dict[type, str] = {
    QuerySet: "give a list of keys, such as list(orders.values_list('pk', flat=True))",
    Manager: "give a list of keys, such as list(orders.values_list('pk', flat=True))",
    HttpRequest: "give what is needed of the request, as texts and numbers",
}
_GENERAL_ADVICE = (
    "give plain values (texts, numbers, dates, lists, dicts and the like), a model or instances "
    "of models"
)


def pack(
    signal: Signal, sender: object, named: Mapping[str, Any], *, exclude: Collection[str] = ()
) -> dict[str, Any]:
    """
    Return a dispatch as JSON has it.

    named: the arguments. exclude: names of those that are left out.
    Raises TypeError for what another process could not read, with what to do instead.
    """
    using = named.get("using")
    packer = _Packer(using if isinstance(using, str) else None)
    packed: dict[str, Any] = {}
    for argument, value in named.items():
        if argument == "origin" and isinstance(value, QuerySet):
            # Django's pre_delete and post_delete carry it, and cannot be told not to.
            packed[argument] = None
        elif argument not in exclude:
            packed[argument] = _checked(argument, value, packer.pack)
    return {
        "version": VERSION,
        "signal": _name_signal(signal),
        "sender": _checked("sender", sender, packer.pack_sender),
        "named": packed,
    }


def unpack(payload: Mapping[str, Any]) -> tuple[Signal, Any, dict[str, Any]]:
    """
    Return the signal, the sender and the named arguments of a dispatch; rows are read anew.

    Raises UnreadablePayload where something is gone or malformed, and the database's errors.
    """
    try:
        if payload["version"] != VERSION:
            raise UnreadablePayload(
                f"the payload has version {payload['version']!r}, this signalscope reads {VERSION}"
            )
        unpacker = _Unpacker()
        signal = _find_signal(payload["signal"])
        sender = unpacker.unpack_sender(payload["sender"])
        return signal, sender, {name: unpacker.unpack(v) for name, v in payload["named"].items()}
    except _MALFORMED as error:
        raise UnreadablePayload(f"the payload is malformed: {error!r}") from error


def unpack_origin(payload: Mapping[str, Any]) -> tuple[Signal, Any]:
    """Return no more than signal and sender; raises as unpack() does."""
    return unpack({**payload, "named": {}})[:2]


def _name_signal(signal: Signal) -> str:
    """Return the name by which another process finds a signal; raises TypeError."""
    name, _ = registry.name(signal)
    if not name.startswith(f"{UNNAMED}."):
        return name
    # In no installed app: looked for once.
    located = _located.get(signal) or locate(signal)
    if located is None:
        raise TypeError(
            f"{signal!r} has no name by which another process could find it; make it an "
            "attribute of a module, or call "
            'signalscope.register(signal, name="shop.signals.order_paid")'
        )
    _located[signal] = located
    return located


_located: WeakKeyDictionary[Signal, str] = WeakKeyDictionary()


def _find_signal(name: str) -> Signal:
    try:
        return registry.find(name)
    except UnknownSignal as error:
        # Its module may be one of no app, or one that nothing has imported here.
        found = follow(name)
        if isinstance(found, Signal):
            return found
        raise UnreadablePayload(str(error)) from error


def _checked(argument: str, value: Any, packer: Any) -> Any:
    try:
        return packer(value)
    except CannotPack as cannot:
        verb = "is" if cannot.value is value else "holds"
        raise TypeError(
            f"the argument {argument!r} cannot be sent to another process: it {verb} a "
            f"{class_label(type(cannot.value))}; {cannot.advice or _advice(argument, cannot.value)}"
        ) from None


def _advice(argument: str, value: object) -> str:
    if argument == "sender":
        return "let the sender be a model or another class, a module, a text or None"
    kinds = (advice for kind, advice in _ADVICE.items() if isinstance(value, kind))
    return f"{next(kinds, _GENERAL_ADVICE)}, or leave it out: @deferred(exclude=[{argument!r}])"


class _Packer:
    """Packs the values of one payload; using: the database of the dispatch, if it names one."""

    def __init__(self, using: str | None) -> None:
        self._using = using
        self._depth = 0

    def pack(self, value: Any) -> Any:
        """Return a value's JSON; raises CannotPack."""
        if self._depth >= MAX_DEPTH:
            raise CannotPack(
                value, f"it contains itself, or is nested deeper than {MAX_DEPTH} levels"
            )
        self._depth += 1
        try:
            if isinstance(value, LazyObject):
                value = _loaded(value)
            if isinstance(value, Model):
                return {"instance": pack_instance(value, self._using, self.pack)}
            if isinstance(value, type) and is_model(value):
                return {"model": value._meta.label}
            return pack_plain(value, self.pack)
        finally:
            self._depth -= 1

    def pack_sender(self, sender: Any) -> Any:
        """Return a sender's JSON, which may be a class, function or module; raises CannotPack."""
        if isinstance(sender, type | FunctionType):
            if isinstance(sender, type) and is_model(sender):
                return {"model": sender._meta.label}
            reference = refer(sender)
            if reference is None:
                raise CannotPack(sender)
            return {"name": reference}
        if isinstance(sender, ModuleType):
            return {"module": sender.__name__}
        if isinstance(sender, AppConfig):
            return {"app": sender.label}
        return self.pack(sender)


class _Unpacker:
    """Reads the values of one payload; an instance that is there twice is one object."""

    def __init__(self) -> None:
        self._found: Found = {}
        self._depth = 0

    def unpack(self, packed: Any) -> Any:
        """Return a value; raises UnreadablePayload."""
        kind = type(packed)
        if kind in (str, int, bool, type(None)):
            return packed
        if self._depth > MAX_DEPTH:
            raise UnreadablePayload("the payload is nested too deeply")
        self._depth += 1
        try:
            if kind is list:
                return [self.unpack(one) for one in packed]
            ((tag, body),) = packed.items()
            if tag == "instance":
                return unpack_instance(body, self.unpack, self._found)
            if tag == "model":
                return find_model(body)
            return unpack_plain(tag, body, self.unpack)
        finally:
            self._depth -= 1

    def unpack_sender(self, packed: Any) -> Any:
        """Return a sender, which may be what no argument is; raises UnreadablePayload."""
        if type(packed) is dict and len(packed) == 1:
            ((tag, body),) = packed.items()
            if tag in _SENDERS:
                return _SENDERS[tag](body)
        return self.unpack(packed)


def _find_named(reference: str) -> Any:
    found = resolve(reference)
    if not isinstance(found, type | FunctionType):
        raise UnreadablePayload(f"{reference!r} is no class or function")
    return found


# What only senders may be: an argument that is a function would run what a message names.
_SENDERS: dict[str, Any] = {
    "module": find_module,
    "app": apps.get_app_config,
    "name": _find_named,
}


def _loaded(value: Any) -> Any:
    # Any use of it loads what it stands for.
    bool(value)
    return value.__dict__["_wrapped"]
