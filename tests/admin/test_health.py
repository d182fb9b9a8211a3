"""Tests of the part Health of the page Signals."""

import os
from datetime import timedelta
from unittest import mock

from django.test import override_settings
from django.utils import timezone

from signalscope import wiring
from signalscope.conf import get_conf
from signalscope.models import Loss
from tests.admin.base import AdminTestCase, address
from tests.stats.rows import HOSTILE, process


class HealthTests(AdminTestCase):
    """What the page tells of signalscope itself."""

    def health(self):
        """Return that part of the page."""
        page = self.get(address("signals"))
        return page[page.index("signalscope-health") : page.index("</details>")]

    def test_all_is_well(self):
        """The part is closed, and says in a line how things are."""
        process(scope_ns=5, writer_ns=3, traced_ns=1000)
        process(is_ended=True)
        part = self.health()
        self.assertNotIn('signalscope-health" open', self.get(address("signals")))
        for text in ("recording", "1 alive", "1 ended", "nothing lost", "costs 0.8 % of the time"):
            self.assertIn(text, part)
        self.assertIn("web-1:4711", part)
        self.assertIn("signalscope_trace", part)

    def test_nothing_yet(self):
        """Without a process the part says so."""
        self.assertIn("No process has recorded anything", self.health())
        self.assertIn("not measured yet", self.health())

    def test_without_time_zones(self):
        """The page is there where USE_TZ is False, too."""
        with override_settings(USE_TZ=False):
            process(seen_at=timezone.now())
            self.assertIn("1 alive", self.health())

    def test_trouble_opens_it(self):
        """Processes that fail or are silent come first, and open the part."""
        now = timezone.now()
        process(name="fine")
        process(name="gone", seen_at=now - timedelta(hours=1))
        process(name="bad", is_failing=True, failure_count=3, error="disk full", error_at=now)
        page = self.get(address("signals"))
        self.assertIn('signalscope-health" open', page)
        part = self.health()
        for text in ("1 cannot store", "1 silent", "disk full"):
            self.assertIn(text, part)
        places = [part.index(f"<td>{name}<br>") for name in ("bad", "gone", "fine")]
        self.assertEqual(places, sorted(places))

    def test_many_processes(self):
        """Twenty are shown, the others counted; the queries stay the same."""
        counts = set()
        for number in (1, 24):
            for _ in range(number):
                process()
            counts.add(len(self.queries(address("signals"))))
        self.assertEqual(len(counts), 1)
        self.assertEqual(self.health().count("<td>web-1:4711"), 20)
        self.assertIn("and 5 more", self.health())

    def test_losses(self):
        """What was not kept, or not told apart, is said."""
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=0, dispatch_count=0, call_count=0,
            unkept_count=4, grouped_count=5, entry_count=6, slow_query_count=7,
        )  # fmt: skip
        page = self.get(address("signals"))
        self.assertIn("traces that failed, took long or matched KEEP: 4", page)
        self.assertIn("beyond MAX_KEYS: calls: 5", page)
        self.assertIn("entries of the activity log: 6; slow queries: 7", page)
        self.assertNotIn("calls missing below", page)

    def test_switched_off(self):
        """Where signalscope is off, the page says why and what to do."""
        with mock.patch.dict(os.environ, {"SIGNALSCOPE_DISABLED": "1"}):
            get_conf.cache_clear()
            try:
                page = self.get(address("signals"))
            finally:
                os.environ.pop("SIGNALSCOPE_DISABLED")
                get_conf.cache_clear()
        self.assertIn("SIGNALSCOPE_DISABLED=1 is in the environment. Remove it", page)
        self.assertNotIn("No call was stored in this time", page)
        with override_settings(SIGNALSCOPE={"ENABLED": False}):
            self.assertIn("Set it to True", self.get(address("signals")))

    def test_hostile_texts(self):
        """What processes say of themselves cannot become markup."""
        for text in HOSTILE:
            process(
                name=text, command=text, patched_by=text, version=text[:50],
                is_failing=True, error=text, error_at=timezone.now(),
            )  # fmt: skip
        with mock.patch.object(wiring, "patched_by", return_value=list(HOSTILE)):
            self.assertNotIn("<script>alert", self.get(address("signals")))
