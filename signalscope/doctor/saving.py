"""D009: receivers that save what they were sent for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from django.db.models import Model

from signalscope.core.names import class_label, wrapped
from signalscope.doctor.finding import SAVES_ITS_SENDER, Finding
from signalscope.doctor.project import Project, Read, heard
from signalscope.doctor.sources import walk_own

SAVE_SIGNALS = ("django.db.models.signals.pre_save", "django.db.models.signals.post_save")
# With any other argument, a save() of the project's own may send nothing.
_DJANGOS = ("force_insert", "force_update", "using", "update_fields")
_CREATES = ("create", "acreate")
_SAVES = ("save", "asave")
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match)


def saves_its_sender(project: Project) -> Iterator[Finding]:
    """Give receivers of pre_save and post_save that save again each time they are called."""
    saves = [one for one in project.connections if one.info.signal in SAVE_SIGNALS]
    for read in project.read(saves):
        # What stands around it may decide whether it runs.
        receiver = read.connections[0].receiver
        if any(wrapped(getattr(receiver, "__func__", receiver))):
            continue
        for node, text in _saves_in(read):
            line = node.lineno  # type: ignore[attr-defined]
            yield project.finding(
                SAVES_ITS_SENDER,
                f"{read.label} hears {heard(read.connections)}, and calls {text}.",
                read.connections,
                line,
            )
            break


def _saves_in(read: Read) -> Iterator[tuple[ast.AST, str]]:
    """Give the calls that save again, with what they look like; none where something guards."""
    if isinstance(read.node, ast.Lambda) or _is_guarded(read.node):
        return
    for statement in read.node.body:
        yield from _in_statement(read, statement, created=None)
        if _may_end(statement):
            return


def _is_guarded(node: ast.AST) -> bool:
    """Tell whether a receiver disconnects or mutes something, or looks who is calling."""
    return any(
        isinstance(found, ast.Attribute)
        and found.attr in ("disconnect", "disconnected", "mute", "update_fields")
        for found in ast.walk(node)
    )


def _in_statement(
    read: Read, statement: ast.stmt, *, created: bool | None
) -> Iterator[tuple[ast.AST, str]]:
    """
    Give the calls of a statement that save again.

    created: what it must be for the statement to run, None where that does not matter.
    """
    if isinstance(statement, ast.If):
        wanted = _asks_created(statement.test)
        if wanted is not None and created is None:
            for body, is_true in ((statement.body, wanted), (statement.orelse, not wanted)):
                for inner in body:
                    yield from _in_statement(read, inner, created=is_true)
                    if _may_end(inner):
                        break
        return
    if isinstance(statement, _BLOCKS):
        return
    if isinstance(statement, ast.With | ast.AsyncWith):
        if all(_is_atomic(read, item.context_expr) for item in statement.items):
            for inner in statement.body:
                yield from _in_statement(read, inner, created=created)
                if _may_end(inner):
                    break
        return
    for node in walk_own(statement):
        # What is asked for in between may guard.
        if isinstance(node, ast.IfExp | ast.BoolOp | ast.comprehension):
            return
        if isinstance(node, ast.Call) and (text := _saves_again(read, node, created=created)):
            yield node, text


def _asks_created(test: ast.expr) -> bool | None:
    """Return which value of created a test asks for, None where it asks anything else."""
    if isinstance(test, ast.Name) and test.id == "created":
        return True
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _asks_created(test.operand)
        return None if inner is None else not inner
    return None


def _may_end(statement: ast.stmt) -> bool:
    """Tell whether the receiver may end within a statement, so that what follows is guarded."""
    return any(
        isinstance(node, ast.Return | ast.Raise | ast.Continue | ast.Break)
        for node in walk_own(statement)
    )


def _is_atomic(read: Read, node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return read.names.origin(called) == "django.db.transaction.atomic"


def _saves_again(read: Read, call: ast.Call, *, created: bool | None) -> str:
    """Return what a call looks like that sends the receiver's signal again, "" for any other."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return ""
    owner = function.value
    if function.attr in _SAVES and created is not True and _is_instance(read, owner):
        if any(keyword.arg not in _DJANGOS for keyword in call.keywords) or call.args:
            return ""
        if any(_is_empty(keyword) for keyword in call.keywords):
            return ""
        return f"{ast.unparse(owner)}.{function.attr}()"
    is_create = function.attr in _CREATES and created is not False
    if is_create and isinstance(owner, ast.Attribute) and owner.attr == "objects":
        return f"{ast.unparse(function)}()" if _is_sender(read, owner.value) else ""
    return ""


def _is_empty(keyword: ast.keyword) -> bool:
    """Tell whether an argument is update_fields=[]: nothing is saved then, and nothing sent."""
    value = keyword.value
    return isinstance(value, ast.List | ast.Tuple | ast.Set) and not value.elts


def _is_instance(read: Read, node: ast.expr) -> bool:
    """Tell whether an expression is the instance that was saved, and never another one."""
    if isinstance(node, ast.Name) and node.id == "instance":
        return not _is_assigned(read.node, "instance") and "instance" in _arguments(read)
    # kwargs["instance"]
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and node.slice.value == "instance"
        and read.node.args.kwarg is not None
        and getattr(node.value, "id", "") == read.node.args.kwarg.arg
    )


def _is_sender(read: Read, node: ast.expr) -> bool:
    if isinstance(node, ast.Name) and node.id == "sender" and "sender" in _arguments(read):
        return not _is_assigned(read.node, "sender")
    model: Any = read.names.find(node)
    if not (isinstance(model, type) and issubclass(model, Model)):
        return False
    labels = {one.info.sender for one in read.connections}
    return "" in labels or class_label(model) in labels


def _arguments(read: Read) -> set[str]:
    arguments = read.node.args
    return {
        argument.arg
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    }


def _is_assigned(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(found, ast.Name) and found.id == name and not isinstance(found.ctx, ast.Load)
        for found in ast.walk(node)
    )
