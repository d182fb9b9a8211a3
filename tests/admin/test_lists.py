"""Tests of the lists: their cost, their one order, their filters."""

from unittest import mock

from django.core.paginator import EmptyPage
from django.test import SimpleTestCase, override_settings
from django.utils import timezone
from django.utils.html import escape

from signalscope.admin.base import MAX_PAGES, UncountedPaginator
from signalscope.models import Loss, Rollup
from tests.admin.base import MODELS, AdminTestCase, address
from tests.stats.rows import (
    HOSTILE,
    RECEIVER,
    SIGNAL,
    call,
    dispatch,
    entry,
    rollup,
    slow_query,
    trace,
)


def fill(count):
    """Store so many rows of each kind."""
    for number in range(count):
        call(dispatch(trace(name=f"GET /{number}")), receiver=f"r{number}")
        rollup(1000, receiver=f"r{number}")
        entry(object_key=str(number), actor_key=str(number))
        slow_query(trace_key=number)
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=1, dispatch_count=1, call_count=1
        )


class ListTests(AdminTestCase):
    """Lists whose cost does not grow with their table."""

    def test_same_queries_with_1_and_50_rows_and_no_count(self):
        """1, 50 and 130 rows take the same number of queries, none of which counts or compares."""
        seen = {}
        for rows in (1, 49, 80):
            fill(rows)
            for name in MODELS:
                queries = self.queries(address(f"{name}_changelist"))
                seen.setdefault(name, set()).add(len(queries))
                text = " ".join(query for query in queries if "signalscope_" in query)
                self.assertNotIn("COUNT(", text)
                self.assertNotIn("DISTINCT", text)
        self.assertEqual(
            {name: len(counts) for name, counts in seen.items()}, dict.fromkeys(MODELS, 1)
        )

    def test_pages(self):
        """Each page leads to the next one, the last does not."""
        fill(101)
        url = address("trace_changelist")
        first, third = self.get(url), self.get(f"{url}?p=3")
        self.assertIn('href="?p=2"', first)
        self.assertIn("GET /100", first)
        self.assertNotIn("GET /50<", first)
        self.assertIn("GET /0<", third)
        self.assertNotIn('href="?p=4"', third)

    def test_pages_that_there_are_not(self):
        """A page beyond the last, or no number, leads back to the list."""
        fill(1)
        url = address("trace_changelist")
        for page in ("3", "0", "-1", "9" * 30):
            self.assertRedirects(self.client.get(f"{url}?p={page}"), f"{url}?e=1")
        for page in ("2", "x"):
            self.assertIn("GET /0<", self.get(f"{url}?p={page}"))

    def test_show_all_shows_one_page(self):
        """The address for all rows shows no more than a page."""
        fill(60)
        self.assertNotIn("GET /0<", self.get(f"{address('trace_changelist')}?all="))

    def test_one_order(self):
        """An address cannot order by a column without an index."""
        fill(1)
        for query in self.queries(f"{address('trace_changelist')}?o=2.-1"):
            if "ORDER BY" in query and "signalscope_trace" in query:
                self.assertRegex(query, r"ORDER BY (1|.signalscope_trace.\..id.) DESC")

    def test_facets_are_never_counted(self):
        """The address for counts beside filters counts nothing."""
        queries = self.queries(f"{address('trace_changelist')}?_facets=True")
        self.assertNotIn("COUNT(", " ".join(queries))

    def test_lookups_that_read_a_whole_table_are_refused(self):
        """An address filters by what the list offers, and by keys, only."""
        fill(1)
        for model, query, status in (
            ("trace", "name__icontains=x", 400),
            ("dispatch", "trace__name__contains=x", 400),
            ("rollup", "total_ns__gt=1", 400),
            ("dispatch", "trace__id__exact=1", 200),
            ("dispatch", "in_atomic__isnull=True", 200),
            ("receivercall", "outcome__exact=error", 200),
            ("rollup", "receiver=unheard.of", 200),
            ("trace", "since=never", 200),
            ("activitylog", "actor_label__icontains=x", 400),
            ("activitylog", "object_key__exact=5&object_type__in=shop.Order,shop.Item", 200),
            ("slowquery", "sql__contains=x", 400),
        ):
            with self.subTest(query):
                self.get(f"{address(f'{model}_changelist')}?{query}", status=status)

    def test_filters(self):
        """Filters by name and time keep what matches."""
        fill(1)
        rollup(1000, receiver="", age_s=7200)
        call(dispatch(trace()))
        for model, query, expected, unexpected in (
            ("receivercall", f"receiver={RECEIVER}", f'title="{RECEIVER}"', 'title="r0"'),
            ("receivercall", "since=1h", f'title="{RECEIVER}"', "Nothing matches"),
            ("rollup", f"signal={SIGNAL}&since=24h", "(nobody)", "Nothing matches"),
            ("rollup", "since=1h", 'title="r0"', "(nobody)"),
            ("dispatch", "sender=shop.Item", "Nothing matches", "result_list"),
            ("activitylog", "q=5", "Nothing matches", "Nothing is logged yet"),
            ("activitylog", "trace_key__exact=5", "Nothing matches", "Nothing is logged yet"),
        ):
            with self.subTest(query):
                page = self.get(f"{address(f'{model}_changelist')}?{query}")
                self.assertIn(expected, page)
                self.assertNotIn(unexpected, page)

    def test_empty_lists_say_what_to_do(self):
        """Without rows, a list says why and what to do next."""
        expected = {
            "loss": "Nothing was lost",
            "activitylog": "signalscope.track(Order)",
            "slowquery": "SLOW_QUERY_MS",
            "delivery": "durable=True",
        }
        for name in MODELS:
            page = self.get(address(f"{name}_changelist"))
            self.assertIn(expected.get(name, "Use the project"), page)

    def test_hostile_texts_are_escaped(self):
        """Names and messages cannot become markup."""
        for text in HOSTILE:
            of = dispatch(trace(name=text, user_label=text), signal=text, sender=text)
            row = call(of, receiver=text, outcome="error", error_type=text, error_message=text * 9)
            rollup(1000, signal=text, sender=text, receiver=text)
            slow = slow_query(sql=text, signal=text, sender=text, receiver=text, using=text)
            pages = [address(f"{name}_changelist") for name in MODELS]
            pages.append(address("slowquery_change", slow.pk))
            pages += [address("receivercall_change", row.pk), address("dispatch_change", of.pk)]
            for url in pages:
                self.assertNotIn("<script>alert", self.get(url))
        self.assertIn(escape(HOSTILE[0]), self.get(address("trace_changelist")))

    def test_rows_come_from_the_configured_database(self):
        """Pages read from SIGNALSCOPE['DATABASE']."""
        with (
            override_settings(SIGNALSCOPE={"DATABASE": "default"}),
            mock.patch("signalscope.admin.base.get_conf") as conf,
        ):
            conf.return_value.database = "other"
            from django.contrib import admin

            queryset = admin.site.get_model_admin(Rollup).get_queryset(None)
        self.assertEqual(queryset.db, "other")


class UncountedPaginatorTests(SimpleTestCase):
    """Counting to the next page."""

    def paginator(self, rows, page_number):
        listed = mock.MagicMock(ordered=True)
        listed.values_list.return_value = list(range(rows))
        paginator = UncountedPaginator(listed, 10)
        paginator.page_number = page_number
        return paginator

    def test_count_ends_after_this_page(self):
        """The count is that of the pages so far and one row more."""
        for rows, page_number, count in ((5, 1, 5), (10, 1, 10), (100, 1, 11), (100, 3, 31)):
            self.assertEqual(self.paginator(rows, page_number).count, count)

    def test_last_page_offered(self):
        """There is a last page, after which only filters help."""
        paginator = self.paginator(100_000, MAX_PAGES)
        self.assertEqual((paginator.count, paginator.is_at_end), (MAX_PAGES * 10, True))
        with self.assertRaises(EmptyPage):
            self.paginator(100_000, MAX_PAGES + 1).page(MAX_PAGES + 1)


class RollupListTests(AdminTestCase):
    """Periods as people read them."""

    def test_period_in_local_time_with_its_length(self):
        """A period begins in the project's time zone, and its length and state are named."""
        row = rollup(1000)
        Rollup.objects.filter(pk=row.pk).update(
            period_start_s=1_774_742_400, period_s=3600, state=Rollup.State.MERGED
        )
        for use_tz in (True, False):
            with self.settings(USE_TZ=use_tz, TIME_ZONE="Europe/Berlin"):
                page = self.get(address("rollup_changelist"))
                self.assertIn("March 29, 2026, 1 a.m.", page)
                self.assertIn("March 29, 2026, 1 a.m.", self.get(address("rollup_change", row.pk)))
            self.assertIn('">hour<', page)
            self.assertIn("merged", page)

    def test_filter_by_length(self):
        """Only rows of one length are shown."""
        rollup(1000, receiver="a.minute")
        Rollup.objects.filter(pk=rollup(1000, receiver="a.day").pk).update(period_s=86_400)
        page = self.get(f"{address('rollup_changelist')}?period_s__exact=86400")
        self.assertIn('title="a.day"', page)
        self.assertNotIn('title="a.minute"', page)
