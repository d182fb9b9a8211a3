"""
What is known of a signal and sender pair: names, and whether it is watched.

Decided once and remembered, so that a dispatch costs one look-up. A plan holds no reference to
a receiver. It stands for a list of receivers that it recognises by that list's length and the
key tuple of its last entry: connect() makes a new tuple and appends, so as long as both are the
same, nothing was connected, disconnected or collected in between.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from signalscope.core.django_dispatch import calls_its_list, is_same, live_receivers
from signalscope.core.names import matches, receiver_label, sender_label
from signalscope.recorder.gate import Candidates, Gate, Verdict, Watch

# More pairs than any project has; instances as senders, each a pair of its own, are not kept.
MAX_PLANS = 10_000

# In place of the count where nobody at all is connected. No list has this length, so such a plan
# is only found by what looks for it, and tells its signal by a weak reference.
NO_RECEIVERS = -1

# What may be kept out of one dispatch by turns.
MAX_VARIANTS = 100

# Stands for a sender that is None: a weak reference to nothing answers None, and is the fastest
# thing that does.
_REFERENCE_TO_NONE: Callable[[], object] = weakref.ref(set())


Pick = Callable[[Sequence[object]], Sequence[object]]


class Hook(Protocol):
    """What a built-in signal means to the recorder, beside being a signal."""

    def before(self, named: dict[str, Any]) -> None:
        """Act before the dispatch is recorded."""

    def after(self) -> None:
        """Act when it has been recorded."""


class Kind:
    """Stands for all plans with the same names: what repeats have in common."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> Kind:
        return self


class KeptOut(NamedTuple):
    """A receiver that is not called: its place among the receivers, its label, and who says so."""

    position: int
    receiver: str
    by: str


class Plan:
    """
    One (signal, sender) with a certain list of receivers.

    sender, of: called, return the sender and the signal (weak references).
    last_key, receiver_count: by which the list of receivers is recognised.
    is_plain: watched, and with neither hook nor watches: the way of nearly all.
    read_atomic: called with the named arguments, returns whether the dispatch is in a
    transaction; None where that cannot be told.
    receivers: labels, sync ones first, in the order in which they are called.
    is_excluded: one bool for each of them.
    gates: asked at each dispatch which of the receivers are called.
    watches: called with each record.
    kept_out: the receivers that this plan leaves out; positions: the place of each of the others.
    sync_count, async_count: how many receivers there are of each kind.
    pick_sync, pick_async: return of all receivers of a kind those that this plan calls.
    variants: the plans to follow instead, by verdict.
    kind: the same object for all plans with these names.
    counts_unheard: whether a dispatch without receivers is counted; shows_unheard: whether it
    is also worth a place in a trace.
    """

    __slots__ = (
        "async_count",
        "counts_unheard",
        "gates",
        "hook",
        "is_excluded",
        "is_plain",
        "is_watched",
        "kept_out",
        "kind",
        "last_key",
        "of",
        "pick_async",
        "pick_sync",
        "positions",
        "read_atomic",
        "receiver_count",
        "receivers",
        "sender",
        "sender_label",
        "shows_unheard",
        "signal",
        "sync_count",
        "tallies",
        "variants",
        "watches",
        "weighings",
        "weight",
    )

    sender: Callable[[], object]
    of: Callable[[], object]
    last_key: object
    receiver_count: int
    is_plain: bool
    is_watched: bool
    kind: Kind
    hook: Hook | None
    read_atomic: Callable[[dict[str, Any]], bool | None] | None
    signal: str
    sender_label: str
    receivers: tuple[str, ...]
    gates: tuple[Gate, ...]
    watches: tuple[Watch, ...]
    kept_out: tuple[KeptOut, ...]
    positions: Sequence[int]
    variants: dict[Verdict, Plan]
    is_excluded: tuple[bool, ...]
    sync_count: int
    async_count: int
    pick_sync: Pick
    pick_async: Pick
    counts_unheard: bool
    shows_unheard: bool
    # The roll-ups' tallies of this plan's receivers, while a period lasts; see rollups.py.
    tallies: Any
    # The memory that one dispatch takes, in bytes, and how many were counted; see buffer.py.
    weight: int
    weighings: int


PLANS: dict[int, Plan] = {}


class Planner:
    """
    Makes plans.

    name_signal: returns a signal's dotted name and whether it is one of Django's own.
    find_hook: returns the hook of a built-in signal by name, or None.
    find_reader: returns the Plan.read_atomic of a built-in signal by name, or None.
    on_new: called when a plan was made.
    """

    def __init__(
        self,
        *,
        name_signal: Callable[[Any], tuple[str, bool]],
        find_hook: Callable[[str], Hook | None],
        find_reader: Callable[[str], Callable[[dict[str, Any]], bool | None] | None],
        on_new: Callable[[], None] = lambda: None,
    ) -> None:
        self._name_signal = name_signal
        self._find_hook = find_hook
        self._find_reader = find_reader
        self._on_new = on_new
        # Asked as a plan is made what is to decide about its receivers, and to watch them.
        self.gatekeepers: list[Callable[[Plan, Candidates], Gate | None]] = []
        self.watchers: list[Callable[[Plan], Watch | None]] = []
        # How often all plans were made anew.
        self._round = 0
        self.choose(include=(), exclude=())

    def choose(self, *, include: Sequence[str], exclude: Sequence[str]) -> None:
        """
        Say what is watched, and forget what was decided before.

        Both are globs over signal, sender and receiver names; include wins.
        """
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._exclusions: dict[tuple[str, ...], bool] = {}
        self._kinds: dict[tuple[str, ...], Kind] = {}
        self.make_anew()

    def make_anew(self) -> None:
        """Make all plans anew, since what they were made by has changed."""
        self._round += 1
        PLANS.clear()

    def plan(
        self, signal: Any, sender: object, receivers: Sequence[object], sync_count: int
    ) -> Plan:
        """
        Return the plan of a dispatch whose pair has none that fits, and remember it.

        receivers: the live ones, sync before async; they are named and not kept.
        """
        round_ = self._round
        plan = self._plan(signal, sender, receivers, sync_count)
        self._remember(plan, signal, sender, receivers)
        if self._round != round_:
            # It was made by what has changed meanwhile.
            PLANS.pop(id(signal) ^ id(sender), None)
        return plan

    def plan_alone(self, signal: Any, sender: object, receiver: object) -> Plan:
        """Return the plan of one receiver that runs by itself, whoever else is connected."""
        plan = self._plan(signal, sender, (receiver,), 1)
        plan.sender = lambda: sender
        plan.receiver_count, plan.last_key = NO_RECEIVERS, None
        return plan

    def _plan(
        self, signal: Any, sender: object, receivers: Sequence[object], sync_count: int
    ) -> Plan:
        plan = Plan()
        plan.signal, is_builtin = self._name_signal(signal)
        plan.sender_label = sender_label(sender)
        plan.receivers = tuple([receiver_label(receiver) for receiver in receivers])
        plan.sync_count = sync_count
        plan.hook = self._find_hook(plan.signal) if is_builtin else None
        plan.read_atomic = self._find_reader(plan.signal) if is_builtin else None
        plan.shows_unheard = not is_builtin
        # Sent once per model, as it is loaded: rare enough to count, too many to show.
        plan.counts_unheard = not is_builtin or _is_new_model(plan.signal, sender)
        plan.of = weakref.ref(signal)
        plan.tallies = None
        plan.weight = plan.weighings = 0
        is_pair_excluded = self._is_excluded((plan.signal, plan.sender_label))
        plan.is_excluded = tuple(
            [
                self._is_excluded((plan.signal, plan.sender_label, receiver))
                for receiver in plan.receivers
            ]
        )
        plan.kind = self._kind((plan.signal, plan.sender_label, *plan.receivers))
        plan.is_watched = not (all(plan.is_excluded) if plan.receivers else is_pair_excluded)
        plan.kept_out = ()
        plan.positions = range(len(plan.receivers))
        plan.async_count = len(plan.receivers) - sync_count
        plan.variants = {}
        plan.gates = plan.watches = ()
        if plan.receivers:
            candidates = Candidates(signal, sender, receivers)
            gates = [find(plan, candidates) for find in self.gatekeepers]
            plan.gates = tuple([gate for gate in gates if gate is not None])
            watches = [find(plan) for find in self.watchers]
            plan.watches = tuple([watch for watch in watches if watch is not None])
        plan.is_plain = plan.is_watched and plan.hook is None and not plan.watches
        self._on_new()
        return plan

    def variant(self, plan: Plan, verdict: Verdict) -> Plan:
        """Return the plan of a dispatch that leaves out the receivers that a verdict names."""
        found = plan.variants.get(verdict)
        if found is not None:
            return found
        if not any(verdict):
            return plan
        if len(plan.variants) >= MAX_VARIANTS:
            plan.variants.clear()
        runs = [not by for by in verdict]
        variant = copy.copy(plan)
        variant.receivers = tuple(compress(plan.receivers, runs))
        variant.is_excluded = tuple(compress(plan.is_excluded, runs))
        variant.positions = tuple(compress(plan.positions, runs))
        variant.sync_count = sum(runs[: plan.sync_count])
        variant.async_count = len(variant.receivers) - variant.sync_count
        variant.pick_sync = _picker(runs[: plan.sync_count])
        variant.pick_async = _picker(runs[plan.sync_count :])
        variant.kept_out = tuple(
            [
                KeptOut(position, receiver, by)
                for position, (receiver, by) in enumerate(zip(plan.receivers, verdict, strict=True))
                if by and not plan.is_excluded[position]
            ]
        )
        variant.kind = self._kind((plan.signal, plan.sender_label, *plan.receivers, *verdict))
        variant.variants = {}
        variant.tallies = None
        variant.weight = variant.weighings = 0
        plan.variants[verdict] = variant
        return variant

    def _is_excluded(self, names: tuple[str, ...]) -> bool:
        is_excluded = self._exclusions.get(names)
        if is_excluded is None:
            is_excluded = any(matches(self._exclude, name) for name in names) and not any(
                matches(self._include, name) for name in names
            )
            if len(self._exclusions) >= MAX_PLANS:
                self._exclusions.clear()
            self._exclusions[names] = is_excluded
        return is_excluded

    def _kind(self, names: tuple[str, ...]) -> Kind:
        if len(self._kinds) >= MAX_PLANS:
            self._kinds.clear()
        return self._kinds.setdefault(names, Kind())

    def _remember(
        self, plan: Plan, signal: Any, sender: object, receivers: Sequence[object]
    ) -> None:
        entries = signal.receivers
        plan.receiver_count = len(entries) or NO_RECEIVERS
        plan.last_key = entries[-1][0] if entries else None
        if sender is None:
            plan.sender = _REFERENCE_TO_NONE
        elif issubclass(type(sender), type):
            plan.sender = weakref.ref(sender)
        else:
            # Not to be found again, and the sender must not notice.
            plan.sender = _REFERENCE_TO_NONE
            return
        if not _is_stable(signal, plan.last_key):
            return
        if receivers and not _stands_for(plan, signal, sender, receivers):
            return
        if len(PLANS) >= MAX_PLANS:
            PLANS.clear()
        PLANS[id(signal) ^ id(sender)] = plan


def _picker(runs: Sequence[bool]) -> Pick:
    """Return what picks from a list as long as runs; nothing else is as quick as itemgetter()."""
    places = [place for place, is_run in enumerate(runs) if is_run]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda receivers: [receivers[place] for place in places]


def _is_new_model(signal: str, sender: Any) -> bool:
    """Tell whether this is a class_prepared of a model, not of one that a migration made up."""
    return signal.endswith(".class_prepared") and sender.__module__ != "__fake__"


def _is_stable(signal: Any, last_key: object) -> bool:
    """
    Tell whether the list of receivers says which receivers are called.

    Not where a subclass or another library picks them by a _live_receivers() of its own. And a
    key that holds an object of the host (a dispatch_uid may be anything) is not kept alive.
    """
    if not calls_its_list(type(signal)):
        return False
    return last_key is None or _is_plain_key(last_key)


def _stands_for(plan: Plan, signal: Any, sender: object, receivers: Sequence[object]) -> bool:
    """
    Tell whether the list that a plan recognises is the one that its receivers were read from.

    Another thread may have changed it in between.
    """
    live = live_receivers(signal, sender)
    entries = signal.receivers
    return (
        len(live) == len(receivers)
        and all(map(is_same, live, receivers))
        and len(entries) == plan.receiver_count
        and entries[-1][0] is plan.last_key
    )


def _is_plain_key(key: object) -> bool:
    if type(key) is tuple:
        return all(_is_plain_key(part) for part in key)
    return type(key) in (int, str)
