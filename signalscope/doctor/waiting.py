"""D010 and D012: receivers that let others wait, the event loop or a transaction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType

from signalscope.doctor.files import is_foreign
from signalscope.doctor.finding import SYNC_IN_ASYNC, WAITS_IN_TRANSACTION, Finding
from signalscope.doctor.names import Names
from signalscope.doctor.project import Connection, Project, grouped, heard, is_put_off
from signalscope.doctor.sends import ASYNC
from signalscope.doctor.sources import Function, calls_in

# What does nothing but wait for somebody else; by package, the names that do.
_REQUESTS = ("get", "post", "put", "patch", "delete", "head", "options", "request")
_WAITING = {
    "requests": (*_REQUESTS, "Session", "session"),
    "httpx": (*_REQUESTS, "stream", "Client", "AsyncClient"),
    "aiohttp": ("request", "ClientSession"),
    "urllib": ("urlopen", "urlretrieve"),
    "urllib3": ("request", "PoolManager"),
    "http": ("HTTPConnection", "HTTPSConnection"),
    "smtplib": ("SMTP", "SMTP_SSL", "LMTP"),
    "ftplib": ("FTP", "FTP_TLS"),
    "socket": ("create_connection",),
    "boto3": ("client", "resource"),
    "paramiko": ("SSHClient", "Transport"),
}
_MAIL = ("send_mail", "send_mass_mail", "mail_admins", "mail_managers")
_MESSAGES = ("EmailMessage", "EmailMultiAlternatives")
# How many functions may stand between a receiver and what waits.
_DEPTH = 3
# They are sent while something may be stored.
_MODEL_SIGNALS = (
    "pre_init",
    "post_init",
    "pre_save",
    "post_save",
    "pre_delete",
    "post_delete",
    "m2m_changed",
)


def sync_in_async(project: Project) -> Iterator[Finding]:
    """Give sync receivers of signals that are sent by asend() or asend_robust()."""
    for group in grouped(project.sent_by(*ASYNC)):
        if not group[0].info.is_async:
            yield project.finding(
                SYNC_IN_ASYNC,
                f"{group[0].info.receiver} is sync, and hears {heard(group)}, which is sent by "
                "asend().",
                group,
            )


def waits_in_transaction(project: Project) -> Iterator[Finding]:
    """Give receivers that wait for the network within what may be a transaction."""
    inside = {id(send.signal) for send in project.sends if send.in_transaction}
    connections = [
        one
        for one in project.connections
        if (_is_of_models(one) or id(one.signal) in inside) and not is_put_off(one.receiver)
    ]
    for read in project.read(connections):
        seen = _Search(project).first(read.node, read.names)
        if seen is None:
            continue
        line, text = seen
        yield project.finding(
            WAITS_IN_TRANSACTION,
            f"{read.label} hears {heard(read.connections)}, and calls {text}.",
            read.connections,
            line,
        )


def _is_of_models(one: Connection) -> bool:
    return one.info.family == "model" and one.info.signal.rpartition(".")[2] in _MODEL_SIGNALS


class _Search:
    """Looks for what waits, in a function and in the project's functions that it calls."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._seen: set[int] = set()

    def first(self, node: Function, names: Names, depth: int = _DEPTH) -> tuple[int, str] | None:
        """Return line and text of the first call that waits: "shop.mails.tell, which calls ..."."""
        messages = _message_names(node, names)
        for call in calls_in(node):
            if text := _waits(call, names, messages):
                return call.lineno, text
            function = names.find(call.func)
            if type(function) is FunctionType and depth and (inner := self._inner(function, depth)):
                return call.lineno, f"{ast.unparse(call.func)}(), which calls {inner}"
        return None

    def _inner(self, function: FunctionType, depth: int) -> str:
        if "__wrapped__" in function.__dict__ or id(function) in self._seen:
            return ""
        if is_foreign(function.__code__.co_filename):
            return ""
        self._seen.add(id(function))
        place = self._project.sources.of(function)
        if place is None:
            return ""
        source, node = place
        found = self.first(node, Names.of(source, function), depth - 1)
        return "" if found is None else found[1]


def _waits(call: ast.Call, names: Names, messages: set[str]) -> str:
    """Return what a call is that waits for the network, "" for any other."""
    origin = names.origin(call.func)
    root, _, _ = origin.partition(".")
    last = origin.rpartition(".")[2]
    if last in _WAITING.get(root, ()) or (origin.startswith("django.core.mail.") and last in _MAIL):
        return f"{origin}()"
    if not isinstance(call.func, ast.Attribute):
        return ""
    if call.func.attr == "send":
        owner = call.func.value
        is_message = isinstance(owner, ast.Call) and _is_message(names, owner)
        if is_message or getattr(owner, "id", "") in messages:
            return "EmailMessage.send()"
    return f"{ast.unparse(call.func)}()" if call.func.attr == "email_user" else ""


def _message_names(node: Function, names: Names) -> set[str]:
    """Return the names that mails are given in a function."""
    return {
        target.id
        for found in ast.walk(node)
        if isinstance(found, ast.Assign)
        and isinstance(found.value, ast.Call)
        and _is_message(names, found.value)
        for target in found.targets
        if isinstance(target, ast.Name)
    }


def _is_message(names: Names, call: ast.Call) -> bool:
    origin = names.origin(call.func)
    return origin.startswith("django.core.mail.") and origin.rpartition(".")[2] in _MESSAGES
