"""The list and the page of losses."""

from __future__ import annotations

from signalscope.admin.base import ReadOnlyAdmin


class LossAdmin(ReadOnlyAdmin):
    """What was recorded and could not be kept, by process."""

    list_display = (
        "at",
        "process",
        "trace_count",
        "dispatch_count",
        "call_count",
        "unkept_count",
        "grouped_count",
        "entry_count",
        "slow_query_count",
        "entry_count",
        "slow_query_count",
    )
