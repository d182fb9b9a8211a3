"""Mutes signals while a factory of factory_boy builds, and in any block, by their names alone."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from django.dispatch import Signal

from signalscope.control.criteria import Criteria
from signalscope.control.mute import Mute
from signalscope.core.names import matches
from signalscope.recorder.gate import Candidates
from signalscope.recorder.plans import Plan
from signalscope.registry.builtin import FAMILY_OF
from signalscope.registry.signals import registry

# The methods of a factory that make an object, by itself or as a part of another one.
_MAKING = ("_generate", "_build", "_create", "_after_postgeneration")


class mute_signals(Mute):  # noqa: N801
    """
    Call no receivers of some signals: in a block, a function, a class, or while a factory builds.

    targets: signals or their names, and receivers or their names, the latter whatever the signal;
    a name that no signal has is a receiver's. Each may be a glob.
    sender, dispatch_uid, family, signal, receiver: as signalscope.mute() takes them; what is
    given by keyword must match as well.
    It takes the place of factory.django.mute_signals, and does not touch Signal.receivers: it
    holds in the running thread or task and what that awaits.
    Raises TypeError for nothing at all and for what is neither signal nor receiver.
    """

    def __init__(self, *targets: Any, **keywords: Any) -> None:
        if not targets:
            super().__init__(**keywords)
            self._all_criteria = [self._criteria]
            return
        by_kind: dict[str, list[Any]] = {}
        for target in targets:
            by_kind.setdefault(_kind(target), []).append(target)
        if twice := by_kind.keys() & keywords.keys():
            raise TypeError(
                f"mute_signals() was given a {min(twice)} with and without a keyword; "
                "give all of them in one way"
            )
        super().__init__(**by_kind, **keywords)
        # One is enough: a receiver is muted where any of them means it.
        self._all_criteria = [
            Criteria({kind: values, **keywords}) for kind, values in by_kind.items()
        ]

    def __call__(self, target: Any) -> Any:
        """
        Decorate a factory, a function or a class.

        Of a factory, and of those that inherit from it, all is muted that its building sends:
        its SubFactory and RelatedFactory, hooks after it, and the save that factory_boy adds.
        Raises TypeError as signalscope.mute() does.
        """
        if not _is_factory(target):
            return super().__call__(target)
        for name in _MAKING:
            method = getattr(target, name).__func__
            setattr(target, name, classmethod(super().__call__(method)))
        # As a part of another one, a factory's declarations are evaluated without its methods.
        meta = target._meta
        for found in (meta.pre_declarations.declarations, meta.post_declarations.declarations):
            for name, declaration in list(found.items()):
                found[name] = quiet = self._quiet(declaration, super().__call__)
                if meta.base_declarations.get(name) is declaration:
                    # Factories that inherit from this one look there.
                    meta.base_declarations[name] = quiet
        return target

    def _quiet(self, declaration: Any, decorate: Callable[[Any], Any]) -> Any:
        """Return what stands for a declaration; others share the one that there is."""
        names = [name for name in ("evaluate_pre", "evaluate_post") if hasattr(declaration, name)]
        if not names:
            # A plain value.
            return declaration
        quiet = copy.copy(declaration)
        for name in names:
            setattr(quiet, name, decorate(getattr(declaration, name)))
        return quiet

    def _mutes(self, plan: Plan, candidates: Candidates) -> Sequence[bool]:
        picked = [criteria.pick(plan, candidates) for criteria in self._all_criteria]
        return [any(of_one) for of_one in zip(*picked, strict=True)]


def _kind(target: Any) -> str:
    """Return the keyword that stands for a target."""
    if isinstance(target, Signal):
        return "signal"
    if isinstance(target, str):
        known = [*FAMILY_OF, *[info.name for info in registry.signals()]]
        return "signal" if any(matches([target], name) for name in known) else "receiver"
    if callable(target):
        return "receiver"
    raise TypeError(
        f"mute_signals() was given {target!r}; give signals, receivers, or the names of such"
    )


def _is_factory(target: Any) -> bool:
    # factory_boy need not be installed.
    base = sys.modules.get("factory.base")
    return base is not None and isinstance(target, base.FactoryMetaClass)
