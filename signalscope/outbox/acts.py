"""What a person does about deliveries."""

from __future__ import annotations

import time

from django.utils import timezone

from signalscope.models import Delivery
from signalscope.models.delivery_queries import DeliveryQuerySet

State = Delivery.State


def retry(rows: DeliveryQuerySet) -> int:
    """
    Let deliveries be run at once, with all of their attempts before them; return how many.

    Those that are running or done stay as they are.
    """
    given_up = rows.order_by().filter(state__in=(State.PENDING, State.FAILED, State.CANCELLED))
    return given_up.update(
        state=State.PENDING,
        attempts=0,
        due_at=timezone.now(),
        lease_until_s=time.time(),
        finished_at=None,
    )


def cancel(rows: DeliveryQuerySet) -> int:
    """
    Let deliveries never be run; return how many.

    Those that are running or done stay as they are.
    """
    waiting = rows.order_by().filter(state__in=(State.PENDING, State.FAILED))
    return waiting.update(state=State.CANCELLED, finished_at=timezone.now(), lease_until_s=None)
