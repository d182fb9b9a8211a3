"""
What was kept of single traces.

Keys are made by the writer, from the time and a random start, so that parents and children go in
without reading back, and so that the newest rows have the highest keys. Between these tables
there are no constraints in the database, and there are no relations to the project's own.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Trace(models.Model):
    """One unit of work: a request, a command, a block, or a dispatch outside of all these."""

    class Trigger(models.TextChoices):
        """What began the work."""

        REQUEST = "request", _("request")
        COMMAND = "command", _("command")
        TASK = "task", _("task")
        TEST = "test", _("test")
        BLOCK = "block", _("block")
        DISPATCH = "dispatch", _("dispatch")

    class Status(models.TextChoices):
        """How it ended."""

        OK = "ok", _("ok")
        ERROR = "error", _("error")
        UNFINISHED = "unfinished", _("unfinished")

    class Reason(models.TextChoices):
        """Why it was kept."""

        SAMPLE = "sample", _("sample")
        ERROR = "error", _("error")
        SLOW_CALL = "slow call", _("slow call")
        SLOW_TRACE = "slow trace", _("slow trace")
        MATCH = "match", _("matches KEEP")
        ACTIVITY = "activity", _("activity")
        SLOW_QUERY = "slow query", _("slow query")

    id = models.BigIntegerField(_("key"), primary_key=True)
    trigger = models.CharField(_("trigger"), max_length=20, choices=Trigger.choices)
    name = models.CharField(
        _("name"), max_length=255, help_text=_("Method and path, command, or the block's name.")
    )
    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    kept_because = models.CharField(
        _("kept because"), max_length=20, choices=Reason.choices, default=Reason.SAMPLE
    )
    is_pinned = models.BooleanField(
        _("pinned"), default=False, help_text=_("Pinned traces are never pruned.")
    )
    started_at = models.DateTimeField(_("started at"))
    duration_ns = models.BigIntegerField(_("duration (ns)"))
    user_key = models.CharField(_("user key"), max_length=255, blank=True)
    user_label = models.CharField(_("user"), max_length=255, blank=True)
    ip_address = models.CharField(_("IP address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=255, blank=True)
    correlation_id = models.CharField(_("correlation id"), max_length=100, blank=True)
    dispatch_count = models.PositiveIntegerField(_("dispatches"))
    call_count = models.PositiveIntegerField(_("calls"))
    error_count = models.PositiveIntegerField(_("errors"))
    query_count = models.PositiveIntegerField(_("queries"))
    left_out_count = models.PositiveIntegerField(
        _("left out"), help_text=_("Dispatches beyond the cap; roll-ups count them all the same.")
    )

    class Meta:
        verbose_name = _("trace")
        verbose_name_plural = _("traces")
        ordering = ("-id",)
        indexes = [
            # The list is filtered by these, newest first.
            models.Index(fields=["status", "id"], name="signalscope_trace_status"),
            models.Index(fields=["trigger", "id"], name="signalscope_trace_trigger"),
            # The other traces of a distributed request.
            models.Index(fields=["correlation_id", "id"], name="signalscope_trace_correlation"),
            models.Index(fields=["kept_because", "id"], name="signalscope_trace_reason"),
            # Pruning looks for these, too.
            models.Index(fields=["is_pinned", "id"], name="signalscope_trace_pinned"),
        ]

    def __str__(self) -> str:
        return self.name


class Dispatch(models.Model):
    """One dispatch, or its repeats under one parent; duration_ns is the sum of the repeats."""

    id = models.BigIntegerField(_("key"), primary_key=True)
    # The index serves the page of a trace, which reads all of its dispatches.
    trace = models.ForeignKey(
        Trace,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="dispatches",
        verbose_name=_("trace"),
    )
    parent_call = models.ForeignKey(
        "ReceiverCall",
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        null=True,
        related_name="+",
        verbose_name=_("sent by"),
    )
    position = models.PositiveIntegerField(_("position"))
    signal = models.CharField(_("signal"), max_length=255)
    sender = models.CharField(_("sender"), max_length=255)
    method = models.CharField(_("method"), max_length=20)
    repeat_count = models.PositiveIntegerField(_("repeats"))
    duration_ns = models.BigIntegerField(_("duration (ns)"))
    in_atomic = models.BooleanField(
        _("in a transaction"), null=True, help_text=_("Known of model signals only.")
    )

    class Meta:
        verbose_name = _("dispatch")
        verbose_name_plural = _("dispatches")
        ordering = ("-id",)
        indexes = [models.Index(fields=["signal", "id"], name="signalscope_dispatch_signal")]

    def __str__(self) -> str:
        return f"{self.signal} ({self.sender})"


class ReceiverCall(models.Model):
    """One receiver in a dispatch; where the dispatch repeats, times and queries are sums."""

    class Outcome(models.TextChoices):
        """What became of the call."""

        OK = "ok", _("ok")
        ERROR = "error", _("error")
        MUTED = "muted", _("muted")
        SKIPPED = "skipped", _("skipped")
        DEFERRED = "deferred", _("deferred")
        CANCELLED = "cancelled", _("cancelled")

    id = models.BigIntegerField(_("key"), primary_key=True)
    # The index serves the page of a trace, which reads the calls of all its dispatches.
    dispatch = models.ForeignKey(
        Dispatch,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="calls",
        verbose_name=_("dispatch"),
    )
    position = models.PositiveIntegerField(_("position"))
    receiver = models.CharField(_("receiver"), max_length=255)
    duration_ns = models.BigIntegerField(_("duration (ns)"))
    own_ns = models.BigIntegerField(
        _("own time (ns)"), help_text=_("Without the dispatches sent from it.")
    )
    query_count = models.PositiveIntegerField(_("queries"))
    query_ns = models.BigIntegerField(_("query time (ns)"))
    repeated_query_count = models.PositiveIntegerField(
        _("repeated queries"), help_text=_("Statements that the same call had run before.")
    )
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    error_type = models.CharField(_("error type"), max_length=255, blank=True)
    error_message = models.TextField(_("error message"), blank=True)

    class Meta:
        verbose_name = _("receiver call")
        verbose_name_plural = _("receiver calls")
        ordering = ("-id",)
        indexes = [models.Index(fields=["receiver", "id"], name="signalscope_call_receiver")]

    def __str__(self) -> str:
        return self.receiver
