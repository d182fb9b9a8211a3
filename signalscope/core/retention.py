"""How long rows are kept, and from when on statistics can be exact."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import datetime

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """
    How old rows get, in s; math.inf keeps them for ever.

    minutes_s, hours_s, days_s: of roll-up rows, by the length of their period. Rows of a short
    period never outlive those of a longer one, which has their calls, too.
    """

    traces_s: float = math.inf
    minutes_s: float = math.inf
    hours_s: float = math.inf
    days_s: float = math.inf
    activity_s: float = math.inf
    deliveries_s: float = math.inf

    @classmethod
    def of_days(
        cls,
        *,
        traces: float | None,
        minutes: float | None,
        hours: float | None,
        days: float | None,
        activity: float | None = None,
        deliveries: float | None = None,
    ) -> Retention:
        """Return the retention for ages in days; None keeps for ever."""
        days_s = _seconds(days)
        hours_s = min(_seconds(hours), days_s)
        return cls(
            _seconds(traces),
            min(_seconds(minutes), hours_s),
            hours_s,
            days_s,
            _seconds(activity),
            _seconds(deliveries),
        )

    def rounded(self, since: datetime, now_s: float | None = None) -> datetime:
        """
        Return a moment rounded down to the start of the shortest period kept at its age.

        Roll-ups since then can be added up exactly. since: where it has no time zone, it is
        local time, and so is what comes back. now_s: s since the epoch; the present by default.
        """
        moment_s = since.timestamp()
        age_s = (time.time() if now_s is None else now_s) - moment_s
        if age_s > self.hours_s:
            period_s = DAY_S
        elif age_s > self.minutes_s:
            period_s = HOUR_S
        else:
            period_s = MINUTE_S
        return datetime.fromtimestamp(moment_s // period_s * period_s, since.tzinfo)


def _seconds(days: float | None) -> float:
    return math.inf if days is None else days * DAY_S
