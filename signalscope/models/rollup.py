"""Counts of all calls, whether their traces were kept or not."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class Rollup(models.Model):
    """
    Calls of one (signal, sender, receiver) in one period.

    A process writes what it counted since its last flush; such rows are merged into one row per
    minute, and these into rows per hour and day. Which rows to add up for a span of time, so
    that each call counts once, is told by stats/tallies.py. The receiver is empty in rows that
    count dispatches which nobody heard.
    period_start_s: s since the epoch, so that neither time zones nor daylight saving matter.
    muted_count, skipped_count: calls that a mute, rule or guard, or a condition, kept out;
    deferred_count: calls that were put off. They are in none of the other counts; what was put
    off is a call once it runs.
    histogram: calls by bucket of duration, ``[42, 7, 1]``: 7 in bucket 42 and 1 in the next one;
    the bounds are in core/histogram.py.
    """

    class Period(models.IntegerChoices):
        """How long a period is, in s."""

        MINUTE = 60, _("minute")
        HOUR = 3600, _("hour")
        DAY = 86400, _("day")

    class State(models.IntegerChoices):
        """What a row stands for."""

        # As a process wrote it; its key and period may have more rows.
        DELTA = 0, _("delta")
        # The only row of its key and period, but for deltas that came later.
        WHOLE = 1, _("whole")
        # Counted in the row of the longer period, too.
        MERGED = 2, _("merged")

    period_start_s = models.BigIntegerField(_("period (s since 1970)"))
    period_s = models.PositiveIntegerField(_("period length (s)"), choices=Period.choices)
    state = models.PositiveSmallIntegerField(_("state"), choices=State.choices, default=State.DELTA)
    signal = models.CharField(_("signal"), max_length=255)
    sender = models.CharField(_("sender"), max_length=255)
    receiver = models.CharField(_("receiver"), max_length=255, blank=True)
    call_count = models.PositiveBigIntegerField(_("calls"))
    error_count = models.PositiveBigIntegerField(_("errors"))
    muted_count = models.PositiveBigIntegerField(_("muted"), db_default=0)
    skipped_count = models.PositiveBigIntegerField(_("skipped"), db_default=0)
    deferred_count = models.PositiveBigIntegerField(_("deferred"), db_default=0)
    total_ns = models.BigIntegerField(_("total time (ns)"))
    max_ns = models.BigIntegerField(_("longest (ns)"))
    histogram = models.JSONField(_("histogram"))

    class Meta:
        verbose_name = _("roll-up")
        verbose_name_plural = _("roll-ups")
        ordering = ("-id",)
        indexes = [
            # Statistics read the periods since a moment that no longer period counts.
            models.Index(
                fields=["period_s", "state", "period_start_s"], name="signalscope_rollup_period"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signal} ({self.sender}) {self.receiver}".rstrip()

    @property
    def period_start(self) -> datetime:
        """When the period began, aware, in UTC."""
        return datetime.fromtimestamp(self.period_start_s, UTC)
