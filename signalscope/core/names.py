"""Text labels for signals' senders and receivers, and globs over them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType


def class_label(cls: type) -> str:
    """
    Return the label of a class: ``app.Model`` for a model, else its dotted path.

    Only what a class has by itself is read (no descriptors of the host run).
    """
    meta = cls.__dict__.get("_meta")
    label = getattr(meta, "label", None)
    if type(label) is str:
        return label
    return f"{cls.__module__}.{cls.__qualname__}"


def sender_label(sender: object) -> str:
    """
    Return the label of a sender.

    A model's label, a class's, function's or module's dotted path, "None", and for any other
    object the dotted path of its type: the object itself is never asked for its text.
    """
    if sender is None:
        return "None"
    kind = type(sender)
    if issubclass(kind, type):
        return class_label(sender)  # type: ignore[arg-type]
    if kind is FunctionType:
        return receiver_label(sender)
    if kind is ModuleType:
        return str(sender.__dict__["__name__"])
    return class_label(kind)


def receiver_label(receiver: object) -> str:
    """
    Return a receiver's label, module and qualified name.

    Decorated functions and other libraries' wrappers are named after what they wrap, a partial
    as ``partial(module.function)``, a callable object after its class.
    """
    receiver = unwrap(receiver)
    kind = type(receiver)
    if kind is FunctionType or kind is BuiltinFunctionType:
        module = receiver.__module__ or "builtins"
        return f"{module}.{receiver.__qualname__}"  # type: ignore[attr-defined]
    if kind is MethodType:
        return receiver_label(receiver.__func__)  # type: ignore[attr-defined]
    if issubclass(kind, functools.partial):
        return f"partial({receiver_label(receiver.func)})"  # type: ignore[attr-defined]
    if issubclass(kind, type):
        return class_label(receiver)  # type: ignore[arg-type]
    return class_label(kind)


def unwrap(receiver: object) -> object:
    """Follow ``__wrapped__`` of plain functions, as functools.wraps leaves it, up to 20 times."""
    for inner in wrapped(receiver):
        receiver = inner
    return receiver


def wrapped(receiver: object) -> Iterator[object]:
    """Give what a plain function wraps, and what that wraps, up to 20 times."""
    for _ in range(20):
        if type(receiver) is not FunctionType or "__wrapped__" not in receiver.__dict__:
            break
        receiver = receiver.__dict__["__wrapped__"]
        yield receiver


def is_of(receiver: str, *packages: str) -> bool:
    """Tell whether a receiver, by its label, is defined in one of some packages."""
    # A partial's label has the function's in parentheses.
    return receiver.rpartition("(")[2].partition(".")[:2] in [
        (package, ".") for package in packages
    ]


def matches(globs: Iterable[str], text: str) -> bool:
    """Tell whether one of the globs matches the whole text or its last dotted part."""
    # A partial's label ends with a parenthesis.
    last_part = text.rstrip(")").rpartition(".")[2]
    return any(fnmatchcase(text, glob) or fnmatchcase(last_part, glob) for glob in globs)
