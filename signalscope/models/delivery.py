"""Receivers that are promised to run later."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from signalscope.models.delivery_queries import DeliveryQuerySet


class Delivery(models.Model):
    """
    A stored promise to run a receiver, in the database of the dispatch that made it.

    key: the idempotency key, the same in all attempts. receiver: a dotted name. payload: what it
    gets. context: for whom it runs, and what else a worker is told. order_key: deliveries with
    the same one, if not empty, run one after another, by id. due_at: when it may run, alone or in
    a batch that is not full.
    attempts: how often a worker began. lapse_count: how many of these had not ended when their
    lease was over; what they did may have been done twice.
    lease_until_s: s since the epoch, until when it is left to the backend that it was handed to,
    or to the worker that claimed it; None once it is finished.
    """

    class State(models.TextChoices):
        """What became of it so far."""

        PENDING = "pending", _("pending")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    key = models.UUIDField(_("key"), unique=True)
    receiver = models.CharField(_("receiver"), max_length=255)
    signal = models.CharField(_("signal"), max_length=255)
    sender = models.CharField(_("sender"), max_length=255)
    payload = models.JSONField(_("payload"))
    context = models.JSONField(_("context"))
    queue = models.CharField(_("queue"), max_length=100, blank=True)
    order_key = models.CharField(_("order key"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=20, choices=State.choices)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveIntegerField(_("attempts at most"))
    lapse_count = models.PositiveIntegerField(_("lapses"), default=0)
    created_at = models.DateTimeField(_("created at"))
    due_at = models.DateTimeField(_("due at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)
    lease_until_s = models.FloatField(_("leased until (s since 1970)"), null=True)
    claimed_by = models.CharField(_("claimed by"), max_length=255, blank=True)
    last_error = models.TextField(_("last error"), blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-id",)
        indexes = [
            # What is due; those that are finished are not in its range.
            models.Index(fields=["lease_until_s"], name="signalscope_delivery_lease"),
            # Whether an earlier one with the same order key is not finished.
            models.Index(
                fields=["order_key", "lease_until_s", "id"], name="signalscope_delivery_order"
            ),
            # What waits for a receiver that gets batches.
            models.Index(
                fields=["receiver", "lease_until_s"], name="signalscope_delivery_receiver"
            ),
            # The list is filtered by these, newest first.
            models.Index(fields=["state", "id"], name="signalscope_delivery_state"),
            models.Index(fields=["created_at"], name="signalscope_delivery_created"),
            # Pruning looks for these.
            models.Index(fields=["finished_at"], name="signalscope_delivery_finished"),
        ]

    def __str__(self) -> str:
        return f"{self.receiver} {self.key}"
