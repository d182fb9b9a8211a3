"""A history of calls, known exactly, that is stored as deltas and looked after meanwhile."""

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime

from signalscope.core.histogram import bucket, pack
from signalscope.core.retention import Retention
from signalscope.models import Rollup
from signalscope.stats.tallies import read_tallies
from signalscope.upkeep.compact import compact
from signalscope.upkeep.prune import CutOffs, prune

# A Saturday evening; in the night that follows, clocks in Europe go forward.
START_S = int(datetime(2026, 3, 28, 21, 58, tzinfo=UTC).timestamp())
KEYS = [("paid", "shop.Order", f"shop.receivers.r{number}") for number in range(2)]
KEYS.append(("never_heard", "shop.Order", ""))


class History:
    """Calls by minute and key, beside the rows that stand for them."""

    def __init__(self, *, retention=None, using="default"):
        self.using = using
        self.retention = retention or Retention()
        self.now_s = START_S
        # Durations in ns by (start of the minute, key).
        self.calls = defaultdict(list)
        Rollup.objects.using(using).all().delete()

    def store(self, age_s, key, durations, errors=0):
        """Store a delta of a minute that began so long ago."""
        start_s = int(self.now_s - age_s) // 60 * 60
        self.calls[start_s, key] += durations
        counts = Counter(map(bucket, durations))
        signal, sender, receiver = key
        return Rollup.objects.using(self.using).create(
            period_start_s=start_s,
            period_s=60,
            signal=signal,
            sender=sender,
            receiver=receiver,
            call_count=len(durations),
            error_count=errors,
            total_ns=sum(durations),
            max_ns=max(durations),
            histogram=pack(counts),
        )

    def compact(self, steps=None, chunk=2_000):
        """Take steps of compaction; all there are by default."""
        return self._take(compact(using=self.using, now_s=self.now_s, chunk=chunk), steps)

    def prune(self, steps=None, chunk=1_000):
        """Take steps of pruning what the retention no longer keeps."""
        cut_offs = CutOffs.of(self.retention, self.now_s)
        return self._take(prune(cut_offs, using=self.using, chunk=chunk), steps)

    def _take(self, work, steps):
        taken = 0
        for taken, _ in enumerate(work, 1):
            if taken == steps:
                break
        work.close()
        return taken

    def exact(self, since_s):
        """Return all durations since a moment by key, in order."""
        found = defaultdict(list)
        for (start_s, key), durations in self.calls.items():
            if start_s >= since_s:
                found[key] += durations
        return {key: sorted(durations) for key, durations in found.items()}

    def check(self, test, since_s):
        """Assert that reading since a moment gives each call once, and percentiles within 5 %."""
        since = self.retention.rounded(datetime.fromtimestamp(since_s, UTC), self.now_s)
        exact = self.exact(since.timestamp())
        tallies = read_tallies(since, using=self.using)
        test.assertEqual(
            {key: (tally.count, tally.total_ns, tally.max_ns) for key, tally in tallies.items()},
            {key: (len(d), sum(d), d[-1]) for key, d in exact.items()},
        )
        for key, durations in exact.items():
            for share in (0.5, 0.95, 0.99, 1.0):
                wanted = durations[math.ceil(share * len(durations)) - 1]
                found = tallies[key].percentile_ns(share)
                test.assertLessEqual(abs(found - wanted), wanted * 0.05)


def states(using="default"):
    """Return how many rows there are of each length and state, as text."""
    rows = Rollup.objects.using(using).values_list("period_s", "state")
    counts = defaultdict(int)
    for period_s, state in rows:
        name = f"{Rollup.Period(period_s).label} {Rollup.State(state).label}"
        counts[name] += 1
    return dict(counts)
