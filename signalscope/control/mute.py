"""Says which receivers are called in a block: all but some by mute(), none but some by only()."""

from __future__ import annotations

import copy
import sys
import warnings
import weakref
from abc import abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from signalscope.control.blocks import ControlBlock
from signalscope.control.criteria import Criteria
from signalscope.core.names import is_of
from signalscope.recorder.gate import MUTES, OPEN_MUTES, Candidates, Verdict, united
from signalscope.recorder.plans import PLANS, Plan

# How many plans a mute remembers its verdicts for.
MAX_VERDICTS = 1000


class Opened:
    """
    One block that is open: what the context that it was entered in, and copies of that, hold.

    Once it is closed it counts for nothing, also in copies that outlive the block. One that is
    collected without having been closed no longer counts either.
    """

    __slots__ = ("__weakref__", "is_open", "mute", "verdicts")

    def __init__(self, mute: Mute) -> None:
        self.mute = mute
        self.verdicts = mute.verdicts
        self.is_open = True
        OPEN_MUTES.add(id(self))

    def close(self) -> None:
        """Let it count for nothing."""
        self.is_open = False
        OPEN_MUTES.discard(id(self))

    # The garbage collector may call this anywhere; there is no lock to wait for.
    __del__ = close


def judge(
    plan: Plan,
    signal: Any,
    sender: object,
    sync_receivers: Sequence[object],
    async_receivers: Sequence[object],
) -> Verdict | None:
    """Return who mutes which receivers of a dispatch, in the running context; None for nobody."""
    verdict = None
    for opened in MUTES.get():
        if not opened.is_open:
            continue
        try:
            found = opened.verdicts[plan]
        except KeyError:
            receivers = [*sync_receivers, *async_receivers]
            found = opened.mute.decide(plan, Candidates(signal, sender, receivers))
        if found is not None:
            verdict = found if verdict is None else united(verdict, found)
    return verdict


class Mute(ControlBlock):
    """What mute() and only() share; text: what it is called where its calls are shown."""

    # Whether receivers can be muted in this process; set by whoever instruments Signal.
    can_mute: ClassVar[Callable[[], bool]] = staticmethod(lambda: False)

    def __init__(
        self,
        *positional: object,
        signal: Any = None,
        sender: Any = None,
        receiver: Any = None,
        dispatch_uid: Any = None,
        family: Any = None,
    ) -> None:
        given = {
            "signal": signal,
            "sender": sender,
            "receiver": receiver,
            "dispatch_uid": dispatch_uid,
            "family": family,
        }
        name, keywords = type(self).__name__, ", ".join(given)
        if positional:
            raise TypeError(
                f"{name}() was given {positional[0]!r}; say what that is by a keyword: {keywords}"
            )
        if all(value is None for value in given.values()):
            raise TypeError(
                f"{name}() was given nothing; say what is meant by {keywords}. "
                "mute.all() mutes all receivers"
            )
        self._criteria = Criteria(given)
        self.text = f"{name} at {_place()}"
        # What was decided for plans that are remembered.
        self.verdicts: dict[Plan, Verdict | None] = {}
        self._opened: list[weakref.ref[Opened]] = []

    def __enter__(self) -> None:
        if not Mute.can_mute():
            warnings.warn(
                f"{self.text} mutes nothing, since signalscope is not installed",
                RuntimeWarning,
                stacklevel=2,
            )
        opened = Opened(self)
        self._opened.append(weakref.ref(opened, self._opened.remove))
        MUTES.set((*[other for other in MUTES.get() if other.is_open], opened))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        here = MUTES.get()
        own = [opened for opened in here if opened.mute is self and opened.is_open]
        if not own:
            # A generator may be closed in another context than it ran in.
            anywhere = [reference() for reference in self._opened]
            own = [opened for opened in anywhere if opened is not None and opened.is_open]
        if own:
            own[-1].close()
        MUTES.set(tuple([opened for opened in here if opened.is_open]))

    def again(self) -> Self:
        """Return another one like this, for each call of a decorated function."""
        another = copy.copy(self)
        another._opened = []
        return another

    def decide(self, plan: Plan, candidates: Candidates) -> Verdict | None:
        """Return who mutes which receivers of a dispatch while this is open; None for nobody."""
        muted = zip(plan.receivers, self._mutes(plan, candidates), strict=True)
        verdict = tuple(
            [
                # What signalscope connects itself, such as for Celery, is called in any case.
                self.text if is_muted and not is_of(label, "signalscope") else ""
                for label, is_muted in muted
            ]
        )
        found = verdict if any(verdict) else None
        # Those of other senders than classes come only once.
        if PLANS.get(id(candidates.signal) ^ id(candidates.sender)) is plan:
            if len(self.verdicts) >= MAX_VERDICTS:
                self.verdicts.clear()
            self.verdicts[plan] = found
        return found

    @abstractmethod
    def _mutes(self, plan: Plan, candidates: Candidates) -> Sequence[bool]:
        """Return for each receiver of a dispatch whether it is muted."""


class mute(Mute):  # noqa: N801
    """
    Call no receivers that match, in a block, a function or the methods of a class.

    signal: a Signal, its dotted name or a glob. sender: a class, a model's label, any other
    object, or a glob. receiver: a function, its dotted name or a glob. dispatch_uid: as given to
    connect(), or a glob. family: such as "model". Each is one value or a list; all that are given
    must match. It holds in the running thread or task and what that awaits, nowhere else.
    Raises TypeError for nothing and for what cannot be meant, ValueError for names that there
    are not.
    """

    @classmethod
    def all(cls) -> mute:
        """Call no receivers at all: Django's own neither."""
        return cls(signal="*")

    def _mutes(self, plan: Plan, candidates: Candidates) -> Sequence[bool]:
        return self._criteria.pick(plan, candidates)


class only(Mute):  # noqa: N801
    """Call no receivers but those that match, of whatever signal; keywords as mute() has them."""

    def _mutes(self, plan: Plan, candidates: Candidates) -> Sequence[bool]:
        return [not is_meant for is_meant in self._criteria.pick(plan, candidates)]


def _place() -> str:
    """Return module and line of the code that is making a mute."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_of(frame.f_globals.get("__name__", "?"), "signalscope"):
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"
