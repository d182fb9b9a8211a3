"""Says what a name in a source file stands for, by what is imported already."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from signalscope.doctor.sources import Source


class Unknown:
    """Stands for what a name means where that cannot be told."""


UNKNOWN = Unknown()


class Names:
    """
    The names of a file, or of a function in it.

    namespace: what the file's module holds. No attribute is computed: properties do not run.
    """

    def __init__(self, source: Source, namespace: Mapping[str, Any] | None = None) -> None:
        self._imports = source.imports
        module = sys.modules.get(source.module)
        self._namespace = vars(module) if namespace is None and module else namespace or {}

    @classmethod
    def of(cls, source: Source, function: FunctionType) -> Names:
        """Return the names that a function sees, with those of what stands around it."""
        cells = {}
        free = function.__code__.co_freevars
        for name, cell in zip(free, function.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:
                # Not filled yet.
                continue
        return cls(source, {**function.__globals__, **cells})

    def find(self, node: ast.AST) -> Any:
        """Return what a dotted name stands for, UNKNOWN where that cannot be told."""
        parts = _parts(node)
        if not parts:
            return UNKNOWN
        first, *rest = parts
        if first in self._imports:
            module, attribute = self._imports[first]
            found = sys.modules.get(module, UNKNOWN)
            if attribute and found is not UNKNOWN:
                found = _attribute(found, attribute)
        else:
            found = self._namespace.get(first, UNKNOWN)
        for part in rest:
            found = _attribute(found, part)
        return found

    def origin(self, node: ast.AST) -> str:
        """
        Return the dotted path of what a name stands for: "requests.post"; "" for a local name.

        What was not imported yet has one, too.
        """
        parts = _parts(node)
        if not parts:
            return ""
        first, *rest = parts
        if first in self._imports:
            return ".".join([part for part in (*self._imports[first], *rest) if part])
        found = self._namespace.get(first, UNKNOWN)
        if isinstance(found, ModuleType):
            return ".".join([found.__name__, *rest])
        if isinstance(found, type | FunctionType):
            return ".".join([found.__module__ or "", found.__qualname__, *rest])
        return ""


def _parts(node: ast.AST) -> list[str]:
    """Return the parts of a dotted name, none of anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _attribute(owner: Any, name: str) -> Any:
    if owner is UNKNOWN:
        return UNKNOWN
    if isinstance(owner, ModuleType):
        return owner.__dict__.get(name, sys.modules.get(f"{owner.__name__}.{name}", UNKNOWN))
    return inspect.getattr_static(owner, name, UNKNOWN)
