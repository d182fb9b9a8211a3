"""Finds where signals are sent from, in the sources of installed apps."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.dispatch import Signal

from signalscope.core.django_dispatch import SEND_METHODS
from signalscope.doctor.names import Names
from signalscope.doctor.sources import Source

ROBUST = ("send_robust", "asend_robust")
ASYNC = ("asend", "asend_robust")


@dataclass(frozen=True, slots=True)
class Send:
    """
    One place that sends a signal.

    method: send, asend, send_robust or asend_robust. in_transaction: whether it stands in
    transaction.atomic, as a block or a decorator.
    """

    signal: Signal
    method: str
    file: str
    line: int
    last_line: int
    in_transaction: bool

    @property
    def place(self) -> str:
        """File and line, as an editor opens them."""
        return f"{self.file}:{self.line}"


def find_sends(sources: Iterable[Source]) -> list[Send]:
    """Return the places that send a signal which is known by its name there."""
    return [send for source in sources for send in _sends_in(source)]


def _sends_in(source: Source) -> Iterator[Send]:
    names = Names(source)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method = node.func.attr
            if method not in SEND_METHODS:
                continue
            signal = names.find(node.func.value)
            if isinstance(signal, Signal):
                yield Send(
                    signal,
                    method,
                    source.path,
                    node.lineno,
                    node.end_lineno or node.lineno,
                    _is_in_transaction(source, names, node),
                )


def _is_in_transaction(source: Source, names: Names, node: ast.AST) -> bool:
    parent = source.parents.get(node)
    while parent is not None:
        found: list[ast.expr] = []
        if isinstance(parent, ast.With):
            found = [item.context_expr for item in parent.items]
        elif isinstance(parent, ast.FunctionDef):
            found = parent.decorator_list
        if any(_is_atomic(names, one) for one in found):
            return True
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return False
        parent = source.parents.get(parent)
    return False


def _is_atomic(names: Names, node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return names.origin(called) in (
        "django.db.transaction.atomic",
        "django.db.transaction.Atomic",
    )
