"""What was recorded and could not be kept."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Loss(models.Model):
    """
    What one process lost up to a moment since its last such row.

    trace_count, dispatch_count: traces not stored as rows, and dispatches in them; roll-ups
    still count these. call_count: calls that are missing in the roll-ups, too.
    unkept_count: traces that failed, were slow or matched KEEP, beyond KEEP_PER_MINUTE.
    grouped_count: calls that are counted under a name shared by many, beyond MAX_KEYS.
    entry_count: entries of the activity log. slow_query_count: slow queries.
    """

    at = models.DateTimeField(_("at"))
    process = models.CharField(_("process"), max_length=255)
    trace_count = models.PositiveBigIntegerField(_("traces"))
    dispatch_count = models.PositiveBigIntegerField(_("dispatches"))
    call_count = models.PositiveBigIntegerField(_("calls"))
    unkept_count = models.PositiveBigIntegerField(_("traces beyond the limit"), default=0)
    grouped_count = models.PositiveBigIntegerField(_("calls under a shared name"), default=0)
    entry_count = models.PositiveBigIntegerField(_("activity entries"), default=0)
    slow_query_count = models.PositiveBigIntegerField(_("slow queries"), default=0)

    class Meta:
        verbose_name = _("loss")
        verbose_name_plural = _("losses")
        ordering = ("-id",)
        # Statistics read those since a moment, pruning those before one.
        indexes = [models.Index(fields=["at"], name="signalscope_loss_at")]

    def __str__(self) -> str:
        return f"{self.process} {self.at}"
