"""Reads source files and finds functions in them, without importing anything."""

from __future__ import annotations

import ast
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Source:
    """
    One file that was read.

    module: the dotted name that it is imported by. tree: its syntax tree.
    """

    def __init__(self, path: str, module: str, text: str) -> None:
        self.path = path
        self.module = module
        self.lines = text.splitlines()
        self.tree = ast.parse(text, path)

    @cached_property
    def functions(self) -> dict[tuple[int, str], Function]:
        """Functions by their first line, that of a decorator included, and name."""
        found: dict[tuple[int, str], Function] = {}
        keys: Counter[tuple[int, str]] = Counter()
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
                key = first_line(node), name
                found[key] = node
                keys[key] += 1
        # Two lambdas of one line cannot be told apart.
        return {key: node for key, node in found.items() if keys[key] == 1}

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node stands in."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """What names are imported as, wherever in the file: (module, attribute or "")."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    found[name] = (alias.name if alias.asname else name, "")
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                for alias in node.names:
                    found[alias.asname or alias.name] = (module, alias.name)
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.module.split(".")
        # Of a package, the file is __init__.py, and its own name counts.
        up = node.level - (Path(self.path).name == "__init__.py")
        base = package[: len(package) - up]
        return ".".join([*base, node.module] if node.module else base)

    def enclosing(self, node: ast.AST) -> ast.AST | None:
        """Return the function that a node stands in, None at the top level."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, Function):
            parent = self.parents.get(parent)
        return parent


class Sources:
    """The files of one examination, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, Source | None] = {}

    def read(self, path: str, module: str) -> Source | None:
        """Return a file's source, None where it cannot be read or is no Python."""
        if path not in self._known:
            self._known[path] = _read(path, module)
        return self._known[path]

    def of(self, function: FunctionType) -> tuple[Source, Function] | None:
        """Return where a function stands, None where that cannot be read: C, zip, exec."""
        code = function.__code__
        source = self.read(code.co_filename, function.__module__ or "")
        if source is None:
            return None
        node = source.functions.get((code.co_firstlineno, code.co_name))
        return None if node is None else (source, node)


def _read(path: str, module: str) -> Source | None:
    try:
        with tokenize.open(path) as file:
            return Source(path, module, file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def first_line(node: ast.AST) -> int:
    """Return the first line of a node, with its decorators."""
    nodes = [node, *getattr(node, "decorator_list", ())]
    return min(int(getattr(one, "lineno", 0)) for one in nodes)


def head_of(node: Function) -> tuple[int, int]:
    """Return the first and last line of what stands above a function's body."""
    if isinstance(node, ast.Lambda):
        return node.lineno, node.end_lineno or node.lineno
    first = first_line(node)
    return first, max(first, node.lineno, node.body[0].lineno - 1)


def statements(node: Function) -> list[ast.stmt]:
    """Return a function's body, of a lambda its expression as a statement."""
    if isinstance(node, ast.Lambda):
        return [ast.copy_location(ast.Expr(node.body), node.body)]
    return node.body


def walk_own(*nodes: ast.AST) -> Iterator[ast.AST]:
    """Give nodes and what is below them, but not what stands in functions and classes there."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def calls_in(node: Function) -> list[ast.Call]:
    """Return the calls that a function makes itself, by line."""
    found = [one for one in walk_own(*statements(node)) if isinstance(one, ast.Call)]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))
