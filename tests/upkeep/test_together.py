"""Two at once, which the lease forbids and clocks may bring about: each call still counts once."""

import threading
import time

from django.db import OperationalError, connection
from django.test import TransactionTestCase

from signalscope.core.retention import HOUR_S, Retention
from signalscope.models import Rollup
from signalscope.upkeep.compact import compact
from signalscope.upkeep.prune import CutOffs, prune
from tests.upkeep.history import KEYS, History, states

# More than enough; a lock or a deadlock of a database ends one try.
TRIES = 200


class TogetherTests(TransactionTestCase):
    """Real connections in threads."""

    def at_once(self, *works):
        """Do each piece of work to its end, all at the same time, again after an error."""
        start = threading.Barrier(len(works))
        ended = []

        def run(work):
            start.wait()
            try:
                for _ in range(TRIES):
                    try:
                        for _ in work():
                            pass
                    except OperationalError:
                        time.sleep(0.01)
                    else:
                        ended.append(work)
                        return
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=[work]) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(ended), len(works))

    def test_compaction_twice_and_pruning(self):
        """Two compactions and a pruning at once leave the exact sums."""
        history = History(retention=Retention(minutes_s=2 * HOUR_S, hours_s=20 * HOUR_S))
        for minute in range(0, 600, 7):
            for key in KEYS:
                for duration in (1000, 2000):
                    history.store(60 * minute, key, [duration])
        history.now_s += 26 * HOUR_S

        def compacted():
            return compact(using="default", now_s=history.now_s, chunk=20)

        def pruned():
            cut_offs = CutOffs.of(history.retention, history.now_s)
            return prune(cut_offs, using="default", chunk=20)

        self.at_once(compacted, compacted, pruned)
        history.check(self, 0)
        history.check(self, history.now_s - 30 * HOUR_S)
        history.prune()
        self.assertEqual(set(states()), {"day whole"})
        self.assertFalse(Rollup.objects.filter(state=Rollup.State.DELTA).exists())
