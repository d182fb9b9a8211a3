"""D011: queries for each instance that is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from signalscope.doctor.finding import QUERIES_IN_INIT, Finding
from signalscope.doctor.project import Project, Read, heard
from signalscope.doctor.records import INIT_SIGNALS
from signalscope.doctor.sources import statements, walk_own

_MANAGERS = ("objects", "_default_manager", "_base_manager")
_METHODS = ("refresh_from_db", "arefresh_from_db")


def queries_in_init(project: Project) -> Iterator[Finding]:
    """Give receivers of pre_init and post_init that run queries, by their source or records."""
    connections = [one for one in project.connections if one.info.signal in INIT_SIGNALS]
    found = set()
    for read in project.read(connections):
        if (seen := _first_query(read)) is not None:
            found.add(read.label)
            line, text = seen
            yield project.finding(
                QUERIES_IN_INIT,
                f"{read.label} hears {heard(read.connections)}, and asks the database: {text}.",
                read.connections,
                line,
            )
    if project.records is None:
        return
    for (signal, receiver), count in sorted(project.records.init_queries.items()):
        same = [
            one for one in connections if (one.info.signal, one.info.receiver) == (signal, receiver)
        ]
        if same and receiver not in found:
            found.add(receiver)
            yield project.finding(
                QUERIES_IN_INIT,
                f"{receiver} hears {heard(same)}, and ran {count:,} queries in the newest traces.",
                same,
            )


def _first_query(read: Read) -> tuple[int, str] | None:
    """Return line and text of the first thing in a receiver that runs a query."""
    for node in walk_own(*statements(read.node)):
        if isinstance(node, ast.Attribute):
            is_manager = node.attr in _MANAGERS and _is_model(read, node.value)
            is_instance = getattr(node.value, "id", "") == "instance"
            is_called = getattr(read.source.parents.get(node), "func", None) is node
            if (
                is_manager
                or (is_instance and is_called and node.attr in _METHODS)
                or (is_instance and isinstance(node.ctx, ast.Load) and _relates(read, node.attr))
            ):
                return node.lineno, ast.unparse(node)
    return None


def _is_model(read: Read, node: ast.expr) -> bool:
    if getattr(node, "id", "") == "sender":
        return True
    found = read.names.find(node)
    return isinstance(found, type) and issubclass(found, Model)


def _relates(read: Read, name: str) -> bool:
    """Tell whether an attribute of the instance is another row, of each sender that is heard."""
    models = [one.sender for one in read.connections]
    return all(
        isinstance(model, type) and issubclass(model, Model) and _is_relation(model, name)
        for model in models
    )


def _is_relation(model: type[Model], name: str) -> bool:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    is_relation = bool(field.many_to_one or field.one_to_one) and bool(field.concrete)
    # The column, "box_id", is there already.
    return is_relation and field.name == name
