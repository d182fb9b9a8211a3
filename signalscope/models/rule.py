"""What is decided about receivers for the whole site."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from django.db import DEFAULT_DB_ALIAS, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from signalscope.control.rules import Rule


class ControlRuleQuerySet(models.QuerySet["ControlRule"]):
    """Rules, newest first."""

    def in_force(self) -> Self:
        """Return those that have not ended."""
        return self.filter(models.Q(until__isnull=True) | models.Q(until__gt=timezone.now()))


class ControlRule(models.Model):
    """
    Receivers that are not called, in every process, until a moment.

    signal, sender, receiver, dispatch_uid: globs over labels; an empty one matches all. All that
    are given must match.
    until: when the rule ends by itself; None where it is for good.
    is_forced: it also holds for receivers of Django's and of signalscope's.
    """

    class Action(models.TextChoices):
        """What is done with the receivers."""

        MUTE = "mute", _("mute")

    signal = models.CharField(_("signal"), max_length=255, blank=True)
    sender = models.CharField(_("sender"), max_length=255, blank=True)
    receiver = models.CharField(_("receiver"), max_length=255, blank=True)
    dispatch_uid = models.CharField(_("dispatch_uid"), max_length=255, blank=True)
    action = models.CharField(
        _("action"), max_length=20, choices=Action.choices, default=Action.MUTE
    )
    # Each process reads those that have not ended.
    until = models.DateTimeField(_("until"), null=True, blank=True, db_index=True)
    reason = models.CharField(_("reason"), max_length=255)
    set_by = models.CharField(_("set by"), max_length=255, editable=False)
    is_forced = models.BooleanField(_("also Django's own and signalscope's"), default=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = ControlRuleQuerySet.as_manager()

    # Called with an action of the activity log, the rule and a database, as one is stored; set by
    # whoever keeps the rules of a process. No receiver: Django's signals are the project's.
    on_stored: ClassVar[Callable[[str, ControlRule, str], None] | None] = None

    class Meta:
        verbose_name = _("control rule")
        verbose_name_plural = _("control rules")
        ordering = ("-id",)

    def __str__(self) -> str:
        named = (
            ("signal", self.signal),
            ("sender", self.sender),
            ("receiver", self.receiver),
            ("dispatch_uid", self.dispatch_uid),
        )
        given = ", ".join(f"{name} {glob}" for name, glob in named if glob)
        return f"{self.action} {given}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it; in this process it holds from the commit on."""
        is_new = self._state.adding
        super().save(*args, **kwargs)
        self._tell("rule_ended" if self.has_ended else "rule_set" if is_new else "rule_changed")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete it; in this process it holds until the commit."""
        # Before it has no key any more; what is told counts from the commit on.
        with transaction.atomic(using=self._state.db):
            if not self.has_ended:
                self._tell("rule_ended")
            return super().delete(*args, **kwargs)

    def _tell(self, action: str) -> None:
        if ControlRule.on_stored is not None:
            ControlRule.on_stored(action, self, self._state.db or DEFAULT_DB_ALIAS)

    @property
    def has_ended(self) -> bool:
        """Whether its moment is over."""
        return self.until is not None and self.until <= timezone.now()


def as_rule(row: Any) -> Rule:
    """Return what a process knows of a rule, a ControlRule or a row with the same fields."""
    return Rule(
        row.signal,
        row.sender,
        row.receiver,
        row.dispatch_uid,
        math.inf if row.until is None else row.until.timestamp(),
        row.is_forced,
        f"rule {row.id} by {row.set_by}: {row.reason}",
    )


def read_rules(using: str) -> list[Rule]:
    """Return the rules that have not ended, oldest first, in one query."""
    mutes = ControlRule.objects.using(using).in_force().filter(action=ControlRule.Action.MUTE)
    # Instances would tell the project's receivers of post_init. Named tuples are made by eval(),
    # by which Python forgets that Control-C has ended it, and what its exit status is.
    return [as_rule(SimpleNamespace(**row)) for row in mutes.order_by("pk").values()]
