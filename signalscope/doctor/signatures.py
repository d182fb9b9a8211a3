"""D007 and D008: receivers that cannot be called, or not be named, as Django does it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from django.dispatch import Signal
from django.utils.inspect import func_accepts_kwargs

from signalscope.doctor.connects import Connect
from signalscope.doctor.finding import WITHOUT_KWARGS, WITHOUT_NAME, Finding
from signalscope.doctor.project import Connection, Project, grouped, heard
from signalscope.doctor.sends import ROBUST
from signalscope.doctor.sources import first_line


def without_kwargs(project: Project) -> Iterator[Finding]:
    """Give receivers that Django itself refuses where DEBUG is on."""
    for group in project.groups:
        info = group[0].info
        try:
            takes_any = func_accepts_kwargs(group[0].receiver)
        except (TypeError, ValueError):
            # Written in C, without a signature.
            project.unread.add(info.receiver)
            continue
        if not takes_any:
            yield project.finding(
                WITHOUT_KWARGS, f"{info.receiver} hears {heard(group)} without **kwargs.", group
            )


def without_name(project: Project) -> Iterator[Finding]:
    """Give receivers whose failure in send_robust() Django cannot log."""
    if not _asks_for_name():
        return
    for group in grouped(project.sent_by(*ROBUST)):
        if not hasattr(group[0].receiver, "__qualname__"):
            info = group[0].info
            kind = type(group[0].receiver).__qualname__
            found = project.finding(
                WITHOUT_NAME,
                f"{info.receiver} hears {heard(group)}, which is sent by send_robust(); "
                f"{kind} objects have no __qualname__.",
                group,
            )
            yield _where_connected(project, found, group)


def _where_connected(project: Project, found: Finding, group: list[Connection]) -> Finding:
    """Return a finding at the place that makes the object, where there is only one."""
    signals = {id(one.signal) for one in group}
    made = [
        (source.path, connect)
        for source, connect in project.connects
        if id(connect.signal) in signals and _makes(connect, group[0].receiver)
    ]
    if len(made) != 1:
        return found
    path, connect = made[0]
    line = first_line(connect.node)
    spots = (*found.spots, (path, line, connect.last_line))
    return replace(found, file=path, line=line, spots=spots)


def _makes(connect: Connect, receiver: object) -> bool:
    """Tell whether what is connected there is a call that makes such an object."""
    call = connect.receiver
    if not isinstance(call, ast.Call) or connect.names.find(call.func) is not type(receiver):
        return False
    if not isinstance(receiver, partial):
        return True
    return bool(call.args) and connect.names.find(call.args[0]) is receiver.func


def _asks_for_name() -> bool:
    """Tell whether this Django logs failures by __qualname__: 5.2, 6.0 and 6.1 do."""
    log = getattr(Signal, "_log_robust_failure", None)
    return "__qualname__" in getattr(getattr(log, "__code__", None), "co_names", ())
