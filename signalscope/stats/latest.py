"""Finds the newest slow and failed calls of a receiver among the stored traces."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q

from signalscope.core.keys import first_key
from signalscope.models import ReceiverCall


def noteworthy_calls(
    receiver: str, *, since: datetime, slow_ns: int | None, limit: int, using: str
) -> list[ReceiverCall]:
    """
    Return a receiver's newest calls that failed or were slow, with their traces, in one query.

    slow_ns: what counts as slow, per repeat; None finds failed ones only.
    """
    wanted = Q(outcome=ReceiverCall.Outcome.ERROR)
    if slow_ns is not None:
        wanted |= Q(duration_ns__gte=F("dispatch__repeat_count") * slow_ns)
    calls = (
        ReceiverCall.objects.using(using)
        .filter(wanted, receiver=receiver, id__gte=first_key(since))
        .select_related("dispatch__trace")
        .order_by("-id")
    )
    return list(calls[:limit])
