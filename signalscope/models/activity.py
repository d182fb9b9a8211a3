"""Who did what, and the slow queries: rows that tell of the project's work, not of its signals."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from signalscope.models.activity_queries import ActivityLogQuerySet


class ActivityLog(models.Model):
    """
    One thing that somebody did.

    action: one of Action, or the text given to signalscope.log(). object_type: a model's label,
    such as shop.Order. changes: {"field": [old, new]}. actor_key and object_key are texts, and
    nothing here refers to the project's tables: who and what is gone stays named.
    """

    class Action(models.TextChoices):
        """What signalscope logs by itself, and of tracked models."""

        LOGGED_IN = "logged_in", _("logged in")
        LOGGED_OUT = "logged_out", _("logged out")
        LOGIN_FAILED = "login_failed", _("login failed")
        PASSWORD_CHANGED = "password_changed", _("password changed")
        PERMISSIONS_CHANGED = "permissions_changed", _("permissions changed")
        CREATED = "created", _("created")
        UPDATED = "updated", _("updated")
        DELETED = "deleted", _("deleted")
        M2M_ADDED = "m2m_added", _("relation added")
        M2M_REMOVED = "m2m_removed", _("relation removed")
        M2M_CLEARED = "m2m_cleared", _("relations cleared")
        MIGRATED = "migrated", _("migrated")
        COMMAND_RUN = "command_run", _("command run")
        SETTING_CHANGED = "setting_changed", _("setting changed")
        RULE_SET = "rule_set", _("rule set")
        RULE_CHANGED = "rule_changed", _("rule changed")
        RULE_ENDED = "rule_ended", _("rule ended")
        GUARD_CHANGED = "guard_changed", _("guard changed")

    at = models.DateTimeField(_("at"))
    action = models.CharField(_("action"), max_length=100)
    actor_key = models.CharField(_("actor key"), max_length=255, blank=True)
    actor_label = models.CharField(_("actor"), max_length=255, blank=True)
    object_type = models.CharField(_("model"), max_length=255, blank=True)
    object_key = models.CharField(_("object key"), max_length=255, blank=True)
    object_label = models.CharField(_("object"), max_length=255, blank=True)
    changes = models.JSONField(_("changes"), default=dict)
    details = models.JSONField(_("details"), default=dict)
    ip_address = models.CharField(_("IP address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=255, blank=True)
    correlation_id = models.CharField(_("correlation id"), max_length=100, blank=True)
    trace_key = models.BigIntegerField(
        _("trace key"), null=True, help_text=_("The trace may not have been kept, or be pruned.")
    )

    objects = ActivityLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activity log")
        ordering = ("-id",)
        indexes = [
            # The history of an object, and the search for its key.
            models.Index(
                fields=["object_key", "object_type", "id"], name="signalscope_activity_object"
            ),
            # The list is filtered by these, newest first.
            models.Index(fields=["object_type", "id"], name="signalscope_activity_type"),
            models.Index(fields=["actor_key", "id"], name="signalscope_activity_actor"),
            models.Index(fields=["action", "id"], name="signalscope_activity_action"),
            # Between two moments; pruning reads it, too.
            models.Index(fields=["at"], name="signalscope_activity_at"),
            # What was done in a trace.
            models.Index(fields=["trace_key"], name="signalscope_activity_trace"),
        ]

    def __str__(self) -> str:
        parts = (self.actor_label, self.action, self.object_label)
        return " ".join(part for part in parts if part)


class SlowQuery(models.Model):
    """
    A statement of the project's that took SLOW_QUERY_MS or longer; never with its parameters.

    signal, sender, receiver: the call that ran it, "" where no receiver did.
    """

    at = models.DateTimeField(_("at"))
    duration_ns = models.BigIntegerField(_("duration (ns)"))
    using = models.CharField(_("database"), max_length=255)
    sql = models.TextField(_("SQL"))
    signal = models.CharField(_("signal"), max_length=255, blank=True)
    sender = models.CharField(_("sender"), max_length=255, blank=True)
    receiver = models.CharField(_("receiver"), max_length=255, blank=True)
    trace_key = models.BigIntegerField(
        _("trace key"), null=True, help_text=_("The trace may not have been kept, or be pruned.")
    )

    class Meta:
        verbose_name = _("slow query")
        verbose_name_plural = _("slow queries")
        ordering = ("-id",)
        indexes = [
            # Between two moments; pruning reads it, too.
            models.Index(fields=["at"], name="signalscope_slow_at"),
            # The slow queries of a trace.
            models.Index(fields=["trace_key"], name="signalscope_slow_trace"),
        ]

    def __str__(self) -> str:
        return self.sql[:80]
