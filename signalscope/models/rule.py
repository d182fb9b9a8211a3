"""What is decided about receivers for the whole site."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


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
