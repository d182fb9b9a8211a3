"""What a capture saw: dispatches, their calls, and what those sent in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from signalscope.core.django_dispatch import SEND_METHODS
from signalscope.core.names import is_of
from signalscope.recorder.calls import FIRST_ITEM, is_error
from signalscope.recorder.captures import Note
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import Branch, Late

# The outcomes of calls in which the receiver itself ran.
RAN = frozenset({"ok", "error", "cancelled", "running"})


@dataclass(eq=False, slots=True)
class SeenCall:
    """
    One receiver of a dispatch.

    receiver: its label, module and qualified name.
    outcome: "ok", "error", "muted", "skipped", "deferred", "cancelled", "running" where the
    capture was read before its end, or "not called" since a receiver before it failed.
    reason: who muted it, which condition did not hold, or until when it is put off; else "".
    error_type, error_message: of what it raised, else "".
    query_count: statements that it ran itself, without those of the dispatches below it.
    children: the dispatches that it sent, and its later run where it was put off.
    """

    receiver: str
    position: int
    outcome: str = "not called"
    reason: str = ""
    error_type: str = ""
    error_message: str = ""
    query_count: int = 0
    children: list[SeenDispatch] = field(default_factory=list)

    @property
    def has_run(self) -> bool:
        """Whether the receiver was called and neither skipped nor put off what it does."""
        return self.outcome in RAN


@dataclass(eq=False, slots=True)
class SeenDispatch:
    """
    One send() of a signal, or the later run of one receiver.

    signal: the Signal, None where it is gone. signal_name: its dotted name.
    sender: as it was given to send(). sender_label: as text, "None" where there is none.
    method: "send", "asend", "send_robust" or "asend_robust"; of a later run "on_commit" or
    "deferred".
    kwargs: the named arguments, as they were sent.
    calls: in the order in which the receivers are called, also those that were not.
    """

    signal: Any
    signal_name: str
    sender: Any
    sender_label: str
    method: str
    kwargs: dict[str, Any]
    calls: list[SeenCall]
    is_watched: bool = True

    @property
    def name(self) -> str:
        """The last part of the signal's name, such as "post_save"."""
        return self.signal_name.rpartition(".")[2]

    @property
    def is_sent(self) -> bool:
        """Whether it is a send(), not the later run of one receiver."""
        return self.method in SEND_METHODS

    @property
    def is_unheard(self) -> bool:
        """Whether nobody was connected who would have heard it."""
        return not self.calls

    @property
    def children(self) -> list[SeenDispatch]:
        """The dispatches that its receivers sent."""
        return [child for call in self.calls for child in call.children]

    def __repr__(self) -> str:
        return f"<{self.name} from {self.sender_label}: {len(self.calls)} calls>"


class Reading:
    """
    Makes dispatches of what a capture was told.

    has_unwatched: whether what signalscope does not watch has a place in the tree.
    all: every dispatch and later run that is wanted, in the order in which they began.
    roots: those with a place in the tree that no other one contains.
    """

    def __init__(
        self,
        notes: Sequence[Note],
        queries: Iterable[tuple[list[Any], int]],
        *,
        has_unwatched: bool = True,
    ) -> None:
        self._has_unwatched = has_unwatched
        self.all: list[SeenDispatch] = []
        self.roots: list[SeenDispatch] = []
        # The calls of a record, and the call that a list of a record's stands for, by id; the
        # notes hold those lists.
        self._calls_of: dict[int, list[SeenCall]] = {}
        self._call_of: dict[int, SeenCall] = {}
        # What is not wanted itself has the place of what contains it.
        self._place_of: dict[int, SeenCall | None] = {}
        for record, *_ in notes:
            self._calls_of[id(record)] = self._read(record)
        for below, index in queries:
            call = self._find(below, index)
            if call is not None:
                call.query_count += 1
        for note in notes:
            self._place(note)

    def _read(self, record: list[Any]) -> list[SeenCall]:
        """Return the calls of a record that ran or should have, and not those kept out."""
        plan: Plan = record[0]
        calls = [
            SeenCall(receiver, position)
            for receiver, position in zip(plan.receivers, plan.positions, strict=True)
        ]
        # A record that is still growing may have more calls than receivers are known.
        current, branches = 0, plan.sync_count
        has_failed = False
        for item in list(record[FIRST_ITEM:]):
            call = calls[current] if current < len(calls) else SeenCall("", current)
            kind = type(item)
            if kind is int:
                _end(call)
                current += 1
            elif kind is tuple:
                has_failed |= item[0] == "error" and not record[1].endswith("robust")
                _note(call, item)
            elif isinstance(item, Late):
                self._call_of[id(item)] = call
            elif isinstance(item, Branch):
                if branches < len(calls):
                    self._read_branch(calls[branches], item)
                branches += 1
        if current < plan.sync_count and not has_failed:
            _run(calls[current])
        return calls

    def _read_branch(self, call: SeenCall, branch: Branch) -> None:
        self._call_of[id(branch)] = call
        items = list(branch)
        for item in items:
            if type(item) is tuple:
                _note(call, item)
            elif isinstance(item, Late):
                self._call_of[id(item)] = call
        if len(items) > 1 and type(items[-1]) is int:
            _end(call)
        elif not hasattr(branch, "record"):
            # What it returned is no coroutine, and not timed.
            _end(call)
        else:
            _run(call)

    def _find(self, below: list[Any] | None, index: int) -> SeenCall | None:
        """Return the call that something was sent from, None where that is not captured."""
        if below is None:
            return None
        calls = self._calls_of.get(id(below))
        if calls is None:
            return self._call_of.get(id(below))
        return calls[index] if index < len(calls) else None

    def _place(self, note: Note) -> None:
        record, below, index, is_wanted, sender, named = note
        place = self._find(below, index)
        calls = self._calls_of[id(record)]
        # Without a place of its own a dispatch stands for the call that contains it.
        while place is not None and id(place) in self._place_of:
            place = self._place_of[id(place)]
        plan: Plan = record[0]
        has_place = is_wanted and (plan.is_watched or self._has_unwatched)
        if not has_place:
            self._place_of.update({id(call): place for call in calls})
        if not is_wanted:
            return
        muted = [SeenCall(label, position, "muted", by) for position, label, by in plan.kept_out]
        # What signalscope connects itself is no part of the project.
        own = [call for call in [*calls, *muted] if not is_of(call.receiver, "signalscope")]
        dispatch = SeenDispatch(
            signal=plan.of(),
            signal_name=plan.signal,
            sender=sender,
            sender_label=plan.sender_label,
            method=record[1],
            kwargs=named if named is not None else {},
            calls=sorted(own, key=lambda call: call.position),
            is_watched=plan.is_watched,
        )
        self.all.append(dispatch)
        if has_place:
            (self.roots if place is None else place.children).append(dispatch)


def _note(call: SeenCall, item: tuple[Any, ...]) -> None:
    if item[0] == "error":
        call.outcome = "error" if is_error((item[0], item[1], item[2])) else "cancelled"
        call.error_type, call.error_message = item[1], item[2]
    elif item[0] == "outcome":
        _, call.outcome, call.reason = item


def _end(call: SeenCall) -> None:
    if call.outcome in ("not called", "running"):
        call.outcome = "ok"


def _run(call: SeenCall) -> None:
    if call.outcome == "not called":
        call.outcome = "running"


def walk(dispatches: Iterable[SeenDispatch]) -> Iterator[SeenDispatch]:
    """Give dispatches, and below each what its calls sent."""
    for dispatch in dispatches:
        yield dispatch
        yield from walk(dispatch.children)


def tree(dispatches: Iterable[SeenDispatch], depth: int = 0) -> str:
    """Return dispatches as text: a line for each, and one for each of its calls below it."""
    return "".join(_lines(dispatches, depth))


def _lines(dispatches: Iterable[SeenDispatch], depth: int) -> Iterator[str]:
    for dispatch in dispatches:
        parts = [dispatch.name]
        if dispatch.sender_label != "None":
            parts.append(short(dispatch.sender_label))
        if dispatch.method != "send":
            parts.append(dispatch.method)
        if dispatch.is_unheard:
            parts.append("unheard")
        yield f"{'  ' * depth}{' '.join(parts)}\n"
        for call in dispatch.calls:
            outcome = f"{call.outcome} {call.error_type}".rstrip()
            yield f"{'  ' * (depth + 1)}{short(call.receiver)} {outcome}\n"
            yield from _lines(call.children, depth + 2)


def short(label: str) -> str:
    """Return the last part of a label: "shop.Order" to "Order"."""
    if label.endswith(")") and "(" in label:
        outside, _, inside = label[:-1].partition("(")
        return f"{outside}({short(inside)})"
    return label.rpartition(".")[2]
