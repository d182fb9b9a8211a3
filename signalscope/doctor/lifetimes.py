"""D002: receivers that are held weakly, and gone, or soon to go."""

from __future__ import annotations

import ast
import functools
import gc
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from django.apps import AppConfig
from django.core.checks import WARNING

from signalscope.doctor.connects import Connect
from signalscope.doctor.finding import HELD_WEAKLY, Finding
from signalscope.doctor.project import Connection, Project, signal_text
from signalscope.doctor.sources import Source, first_line, walk_own
from signalscope.registry.builtin import FAMILY_OF
from signalscope.registry.receivers import COLLECTED

# How many objects may stand between a receiver and the module that keeps it.
_HOPS = 6
# An object with more holders than that is held well.
_MANY = 200


def held_weakly(project: Project) -> Iterator[Finding]:
    """Give receivers that were collected, that are as they are connected, and that may be."""
    explained: Counter[str] = Counter()
    names = {id(info.signal): info.name for info in project.infos}
    for source, connect in project.connects:
        if connect.is_weak and (what := _what_goes(source, connect)):
            name = names.get(id(connect.signal), "")
            explained[name] += 1
            yield _about_connect(source, connect, what, name)
    for one in project.dead:
        if explained[one.info.signal]:
            explained[one.info.signal] -= 1
        elif project.is_looked_at(one.info.file):
            yield _about_dead(one)
    for one in project.connections:
        if one.info.is_weak and (kind := _fleeting(one.receiver)):
            yield from _about_live(project, one, kind)


def _about_connect(source: Source, connect: Connect, what: str, name: str) -> Finding:
    text = signal_text(name, FAMILY_OF.get(name, "custom")) if name else "a signal"
    line = first_line(connect.node)
    return Finding(
        HELD_WEAKLY,
        f"{what} is connected to {text}, and gone at once.",
        source.path,
        line,
        signal=name,
        spots=((source.path, line, connect.last_line),),
    )


def _about_dead(one: Connection) -> Finding:
    info = one.info
    who = "A receiver" if info.receiver == COLLECTED else info.receiver
    uid = f" with dispatch_uid {info.dispatch_uid!r}" if info.dispatch_uid else ""
    return Finding(
        HELD_WEAKLY,
        f"{who} was connected to {one.heard}{uid}, and is collected.",
        info.file,
        info.line,
        signal=info.signal,
        receiver="" if info.receiver == COLLECTED else info.receiver,
        spots=((info.file, info.line, info.line),) if info.file else (),
    )


def _about_live(project: Project, one: Connection, kind: str) -> Iterator[Finding]:
    if not _is_kept(_held(one.receiver), ignored=[one, project.connections]):
        found = project.finding(
            HELD_WEAKLY,
            f"{one.info.receiver} hears {one.heard}; it is {kind} that no module keeps.",
            [one],
        )
        yield replace(found, weaker=WARNING)


def _what_goes(source: Source, connect: Connect) -> str:
    """Return what is connected and held by nothing else, "" where something may hold it."""
    node, names = connect.receiver, connect.names
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        is_gone = _is_left_alone(source, connect, node.name)
        return f"The nested function {node.name}()" if is_gone else ""
    if isinstance(node, ast.Lambda):
        return "A lambda"
    if isinstance(node, ast.Call):
        called = names.find(node.func)
        if called is functools.partial:
            return "A partial"
        if isinstance(called, type):
            return f"An object of {called.__qualname__}"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
        called = names.find(node.value.func)
        if isinstance(called, type):
            return f"A method of an object of {called.__qualname__}"
    if isinstance(node, ast.Name) and _is_defined_in(source.enclosing(connect.node), node.id):
        is_gone = _is_left_alone(source, connect, node.id)
        return f"The local {node.id}" if is_gone else ""
    return ""


def _is_defined_in(function: ast.AST | None, name: str) -> bool:
    """Tell whether a function makes a receiver of a name: a function, lambda or partial."""
    if function is None:
        return False
    for node in walk_own(*getattr(function, "body", ())) if not _is_lambda(function) else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return not node.decorator_list
        if (
            isinstance(node, ast.Assign)
            and [getattr(target, "id", "") for target in node.targets] == [name]
            and (isinstance(node.value, ast.Lambda) or _is_partial(node.value))
        ):
            return True
    return False


def _is_lambda(node: ast.AST) -> bool:
    return isinstance(node, ast.Lambda)


def _is_partial(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return getattr(called, "id", getattr(called, "attr", "")) == "partial"


def _is_left_alone(source: Source, connect: Connect, name: str) -> bool:
    """Tell whether a local name is only connected, at the end of its function."""
    function = source.enclosing(connect.node)
    if function is None or isinstance(function, ast.Lambda):
        return False
    for node in ast.walk(function):
        if isinstance(node, ast.Yield | ast.YieldFrom | ast.Await):
            return False
        if isinstance(node, ast.Global | ast.Nonlocal) and name in node.names:
            return False
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            call = source.parents.get(node)
            while isinstance(call, ast.keyword):
                call = source.parents.get(call)
            is_connect = isinstance(call, ast.Call) and (
                getattr(call.func, "attr", "") == "connect"
            )
            if not is_connect:
                return False
    return _is_last(source, connect.node, function)


def _is_last(source: Source, node: ast.AST, function: ast.AST) -> bool:
    """Tell whether nothing happens in a function after a statement: nothing it may be there for."""
    while node is not function:
        parent = source.parents[node]
        if isinstance(parent, ast.With | ast.AsyncWith | ast.Try | ast.While):
            return False
        for field in ("body", "orelse"):
            block = getattr(parent, field, None)
            if isinstance(block, list) and node in block:
                rest = block[block.index(node) + 1 :]
                if not all(_does_nothing(statement) for statement in rest):
                    return False
        node = parent
    return True


def _does_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return getattr(node.value.func, "attr", "") == "connect"
    return isinstance(
        node,
        ast.FunctionDef | ast.AsyncFunctionDef | ast.Pass | ast.Import | ast.ImportFrom,
    ) or (isinstance(node, ast.Return) and node.value is None)


def _fleeting(receiver: Any) -> str:
    """Return what a live receiver is that may go at any time, "" for a function of a module."""
    if type(receiver) is FunctionType:
        name = receiver.__qualname__
        if name.endswith("<lambda>"):
            return "a lambda"
        return "a nested function" if "<locals>" in name else ""
    if type(receiver) is MethodType:
        return "" if isinstance(receiver.__self__, type) else "a method of an object"
    if isinstance(receiver, type):
        return ""
    return "a partial" if isinstance(receiver, functools.partial) else "an object"


def _held(receiver: Any) -> Any:
    # A bound method is made anew each time: its object is what must stay.
    return receiver.__self__ if type(receiver) is MethodType else receiver


def _is_kept(target: Any, *, ignored: list[Any]) -> bool:
    """Tell whether a module, a class or an app's config keeps an object, be it through others."""
    modules = [one for one in list(sys.modules.values()) if isinstance(one, ModuleType)]
    namespaces = {id(module.__dict__) for module in modules}
    seen = {id(one) for one in ignored} | {id(ignored), id(target)}
    level = [target]
    for _ in range(_HOPS):
        holders = gc.get_referrers(*level)
        seen.add(id(level))
        level = []
        for holder in holders:
            if id(holder) in namespaces or isinstance(holder, type | AppConfig):
                return True
            if id(holder) not in seen and not isinstance(holder, FrameType):
                seen.add(id(holder))
                level.append(holder)
        seen.add(id(holders))
        if len(level) > _MANY:
            return True
        if not level:
            return False
    return False
