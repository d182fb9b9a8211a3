"""Counts of all calls, whether their traces were kept or not."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Rollup(models.Model):
    """
    What one process added to one (signal, sender, receiver) in one period.

    There may be several rows per key and period; readers add them up. The receiver is empty in
    rows that count dispatches which nobody heard.
    histogram: calls by bucket of duration, ``{"42": 7}``; the bounds are in core/histogram.py.
    """

    period_start = models.DateTimeField(_("period"))
    period_s = models.PositiveIntegerField(_("period length (s)"))
    signal = models.CharField(_("signal"), max_length=255)
    sender = models.CharField(_("sender"), max_length=255)
    receiver = models.CharField(_("receiver"), max_length=255, blank=True)
    call_count = models.PositiveBigIntegerField(_("calls"))
    error_count = models.PositiveBigIntegerField(_("errors"))
    total_ns = models.BigIntegerField(_("total time (ns)"))
    max_ns = models.BigIntegerField(_("longest (ns)"))
    histogram = models.JSONField(_("histogram"))

    class Meta:
        verbose_name = _("roll-up")
        verbose_name_plural = _("roll-ups")
        ordering = ("-id",)
        indexes = [
            # Statistics read the periods since a moment.
            models.Index(fields=["period_start"], name="signalscope_rollup_period"),
        ]

    def __str__(self) -> str:
        return f"{self.signal} ({self.sender}) {self.receiver}".rstrip()
