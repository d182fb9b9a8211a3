"""What was recorded and could not be kept."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Loss(models.Model):
    """
    What one process lost up to a moment since its last such row.

    trace_count, dispatch_count: traces not stored as rows, and dispatches in them; roll-ups
    still count these. call_count: calls that are missing in the roll-ups, too.
    """

    at = models.DateTimeField(_("at"))
    process = models.CharField(_("process"), max_length=255)
    trace_count = models.PositiveBigIntegerField(_("traces"))
    dispatch_count = models.PositiveBigIntegerField(_("dispatches"))
    call_count = models.PositiveBigIntegerField(_("calls"))

    class Meta:
        verbose_name = _("loss")
        verbose_name_plural = _("losses")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.process} {self.at}"
