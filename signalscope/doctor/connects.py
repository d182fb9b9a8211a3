"""Finds what connects receivers, in source files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from django.dispatch import Signal

from signalscope.doctor.names import UNKNOWN, Names
from signalscope.doctor.sources import Source, first_line

_DECORATORS = ("django.dispatch.receiver", "django.dispatch.dispatcher.receiver")


@dataclass(frozen=True, slots=True)
class Connect:
    """
    One signal.connect(...), or @receiver(signal) for one signal.

    signal: None where it is not imported yet, or not known by its name. node: the call, or the
    function below the decorator. receiver: what is connected. sender: None where any. is_weak:
    whether that is certain.

    """

    signal: Signal | None
    node: ast.AST
    receiver: ast.AST | None
    sender: ast.expr | None
    is_weak: bool
    last_line: int
    names: Names


def find_connects(source: Source) -> Iterator[Connect]:
    """Give what connects receivers, to signals that are known."""
    return (connect for connect in maybe_connects(source) if connect.signal is not None)


def maybe_connects(source: Source) -> Iterator[Connect]:
    """Give what connects receivers, also to signals whose module is not imported."""
    names = Names(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "connect":
            yield from _called(names, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and names.origin(decorator.func) in _DECORATORS:
                    yield from _decorated(source, names, node, decorator)


def _called(names: Names, node: ast.Call) -> Iterator[Connect]:
    assert isinstance(node.func, ast.Attribute)
    owner = node.func.value
    signal = names.find(owner)
    if signal is UNKNOWN and ".signals." in f"{names.origin(owner)}.":
        # Of a module that is not imported, its name has to do.
        signal = None
    elif not isinstance(signal, Signal):
        return
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    receiver = node.args[0] if node.args else keywords.get("receiver")
    weak = node.args[2] if len(node.args) > 2 else keywords.get("weak")
    yield Connect(
        signal,
        node,
        receiver,
        node.args[1] if len(node.args) > 1 else keywords.get("sender"),
        # With **options or *args it may be anything.
        _is_true(weak) and None not in keywords and not _has_star(node),
        node.end_lineno or node.lineno,
        names,
    )


def _decorated(
    source: Source, names: Names, node: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call
) -> Iterator[Connect]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[0] if call.args else keywords.get("signal")
    signals = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
    is_nested = source.enclosing(node) is not None and len(node.decorator_list) == 1
    for signal in signals:
        found = names.find(signal) if signal is not None else UNKNOWN
        yield Connect(
            found if isinstance(found, Signal) else None,
            node,
            node if is_nested else None,
            keywords.get("sender"),
            _is_true(keywords.get("weak")) and None not in keywords,
            max(first_line(node), node.lineno, node.body[0].lineno - 1),
            names,
        )


def _is_true(node: ast.AST | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is True)


def _has_star(node: ast.Call) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in node.args)
