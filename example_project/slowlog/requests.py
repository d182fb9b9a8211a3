"""The slow queries of each request, from what signalscope has stored."""

from dataclasses import dataclass, field
from datetime import datetime

from signalscope.models import SlowQuery, Trace

# How far back the page looks.
LATEST = 500


@dataclass
class SlowRequest:
    """
    A request, command or task with slow queries.

    trace: None where that was not kept. total_ms: what its slow queries took together.
    """

    trace: Trace | None
    at: datetime
    queries: list = field(default_factory=list)

    @property
    def total_ms(self):
        """What its slow queries took."""
        return sum(query.duration_ns for query in self.queries) / 1e6


def slowest_requests(limit):
    """Return those of the latest that lost most time to slow queries: two queries for all."""
    queries = list(SlowQuery.objects.order_by("-id")[:LATEST])
    traces = Trace.objects.in_bulk({query.trace_key for query in queries if query.trace_key})
    found = {}
    for query in reversed(queries):
        # Outside of any trace each is alone.
        key = query.trace_key or -query.pk
        request = found.setdefault(key, SlowRequest(traces.get(key), query.at))
        request.queries.append(query)
    return sorted(found.values(), key=lambda request: -request.total_ms)[:limit]
