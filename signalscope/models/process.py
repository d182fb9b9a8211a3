"""How signalscope itself is, in each process."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Process(models.Model):
    """
    One process that records, as its writer saw it at its last report; counts are since it began.

    buffer_bytes: what waits for the writer, by its own estimate; waiting_count: nodes of traces
    that wait for the database. is_failing: the last flush failed.
    lost_traces and lost_calls are part of Loss, too; stored_count: traces stored as rows.
    scope_ns and writer_ns, of traced_ns: the time that signalscope took in the project's threads
    and in its own, and the time of all traces. dispatch_ns: what one dispatch costs more than
    without signalscope, as measured in this process.
    patched_by: who else changed Signal's methods.
    """

    id = models.BigIntegerField(_("key"), primary_key=True)
    name = models.CharField(_("process"), max_length=255)
    command = models.CharField(_("command"), max_length=255, blank=True)
    version = models.CharField(_("version of signalscope"), max_length=50)
    patched_by = models.CharField(_("patched by"), max_length=255, blank=True)
    interval_s = models.FloatField(_("flush interval (s)"))
    started_at = models.DateTimeField(_("recording since"))
    seen_at = models.DateTimeField(_("seen at"))
    is_ended = models.BooleanField(_("has ended"), default=False)
    is_failing = models.BooleanField(_("is failing"), default=False)
    buffer_bytes = models.PositiveBigIntegerField(_("buffer (bytes)"))
    waiting_count = models.PositiveIntegerField(_("nodes waiting"))
    flush_count = models.PositiveBigIntegerField(_("flushes"))
    failure_count = models.PositiveBigIntegerField(_("failed flushes"))
    flush_ns = models.PositiveBigIntegerField(_("last flush (ns)"))
    max_flush_ns = models.PositiveBigIntegerField(_("longest flush (ns)"))
    error = models.CharField(_("last error"), max_length=255, blank=True)
    error_at = models.DateTimeField(_("last error at"), null=True)
    lost_traces = models.PositiveBigIntegerField(_("traces lost"))
    lost_calls = models.PositiveBigIntegerField(_("calls lost"))
    stored_count = models.PositiveBigIntegerField(_("traces stored"))
    trace_count = models.PositiveBigIntegerField(_("traces seen"))
    dispatch_count = models.PositiveBigIntegerField(_("dispatches in traces"))
    dispatch_ns = models.PositiveBigIntegerField(_("cost of a dispatch (ns)"))
    scope_ns = models.PositiveBigIntegerField(_("time in signalscope (ns)"))
    writer_ns = models.PositiveBigIntegerField(_("processor time of the writer (ns)"))
    traced_ns = models.PositiveBigIntegerField(_("time of traces (ns)"))

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name
