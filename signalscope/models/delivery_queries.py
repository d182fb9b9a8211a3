"""The questions that Delivery.objects answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from django.db import models

from signalscope.activity.spans import write_waiting

if TYPE_CHECKING:
    # Ruff takes the name in quotes below for a mere text.
    from signalscope.models.delivery import Delivery  # noqa: F401


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Deliveries, newest first."""

    @property
    def db(self) -> str:
        """The database to ask, as of any queryset; what waits to be written there is, first."""
        alias: str = super().db
        write_waiting(alias)
        return alias

    def due(self) -> Self:
        """Return those that any worker may claim: not finished, and nobody has a lease."""
        return self.filter(lease_until_s__lte=time.time())

    def untried(self) -> Self:
        """Return those that no worker has begun with, though a backend may have them."""
        return self.filter(state="pending", attempts=0)

    def batch_of(self, receiver: str) -> Self:
        """Return those that wait for a receiver: new ones, and what is due to be tried again."""
        is_ready = models.Q(attempts=0) | models.Q(lease_until_s__lte=time.time())
        return self.filter(
            is_ready, receiver=receiver, state="pending", lease_until_s__isnull=False
        )

    def first_of_order(self) -> Self:
        """Return those that nothing else with their order key comes before, or runs."""
        before = models.Q(pk__lt=models.OuterRef("pk")) | models.Q(state="running")
        others = (
            self.model._base_manager.filter(
                before, order_key=models.OuterRef("order_key"), lease_until_s__isnull=False
            )
            .exclude(pk=models.OuterRef("pk"))
            .order_by()
        )
        return self.filter(models.Q(order_key="") | ~models.Exists(others))
