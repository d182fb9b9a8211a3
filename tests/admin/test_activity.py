"""Tests of the activity log in the admin: its list, and the page of an entry."""

from datetime import timedelta

import html5lib
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.test import override_settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape

from signalscope.activity.values import MASKED
from tests.admin.base import AdminTestCase, address
from tests.stats.rows import HOSTILE, entry, trace

NONE = "\N{EN DASH}"
HOSTILE_TEXTS = (*HOSTILE, "\u202egnp.exe", "</script><svg onload=alert(1)>", "漢" * 255)


def links(page):
    """Return the addresses on a page by their text."""
    return {
        "".join(a.itertext()).strip(): a.get("href")
        for a in html5lib.parse(page, namespaceHTMLElements=False).iter("a")
    }


def moment(at):
    """Return a moment in the project's time zone, to the second."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M:%S}"


class ActivityListTests(AdminTestCase):
    """The list of entries."""

    def listed(self, query=""):
        return self.get(f"{address('activitylog_changelist')}?{query}")

    def test_row(self):
        """A row says when, who, what, to what, from where, and what changed."""
        at = timezone.now().replace(second=7)
        entry(at=at, changes={"number": ["A-1", "A-2"], "tags": [[], ["new", "rare"]]})
        page = self.listed()
        for text in ("anna", "updated", "shop.Order", "Order 5", "203.0.113.5", moment(at)):
            self.assertIn(text, page)
        self.assertIn("number: A-1 → A-2, tags: - → new, rare", page)

    def test_filters(self):
        """Each filter keeps what matches."""
        old = timezone.now() - timedelta(days=2)
        entry(actor_label="bert", actor_key="8", object_label="first")
        entry(action="exported report", object_label="second", at=old)
        entry(object_type="auth.User", object_label="third")
        entry(actor_key="", actor_label="", object_label="fourth")
        # A key that no other user has, whatever the database counts from.
        get_user_model().objects.create_user("doris", pk=1001)
        entry(actor_key="1001", object_label="fifth", object_key="x y")
        names = ("first", "second", "third", "fourth", "fifth")
        for query, expected in (
            ("", names),
            ("actor=8", ("first",)),
            ("actor=", ("fourth",)),
            ("actor=1001", ("fifth",)),
            ("action=other", ("second",)),
            ("action=exported+report", ("second",)),
            ("action=updated", ("first", "third", "fourth", "fifth")),
            ("object_type=auth.User", ("third",)),
            ("since=24h", ("first", "third", "fourth", "fifth")),
            ("q=x+y", ("fifth",)),
            ("q=by:8", ("first",)),
            ("q=by:doris", ("fifth",)),
            ("q=by:nobody+at+all", ()),
            ("object_key__exact=5&object_type__in=auth.User,shop.Item", ("third",)),
        ):
            with self.subTest(query):
                page = self.listed(query)
                self.assertEqual(tuple(name for name in names if f">{name}<" in page), expected)

    def test_period_without_time_zones(self):
        """The filter by time works where USE_TZ is False."""
        entry()
        with override_settings(USE_TZ=False):
            self.assertIn("Order 5", self.listed("since=1h"))

    def test_search_with_nul(self):
        """A NUL character finds nothing, and is no error."""
        entry()
        url = address("activitylog_changelist")
        for query in (
            "q=%00",
            "actor=%00",
            "action=%00",
            "object_type=%00",
            "object_key__exact=%00",
        ):
            with self.subTest(query):
                response = self.client.get(f"{url}?{query}", follow=True)
                self.assertEqual(response.status_code, 200)

    def test_object_leads_to_its_page(self):
        """An object's text leads to its page in the admin, where one may see it."""
        user = User.objects.create(username="carla")
        entry(object_type="auth.User", object_key=str(user.pk), object_label="carla")
        entry(object_type="gone.Model", object_label="dead")
        entry(object_type="auth.User", object_key="9", object_label="erna", action="deleted")
        entries = address("activitylog_changelist")
        self.assertEqual(
            links(self.listed())["carla"],
            f"{entries}?object_type=auth.User&object_key__exact={user.pk}",
        )
        self.viewer.user_permissions.add(Permission.objects.get(codename="view_user"))
        found = links(self.listed())
        self.assertEqual(found["carla"], f"/admin/auth/user/{user.pk}/change/")
        self.assertEqual(found["dead"], f"{entries}?object_type=gone.Model&object_key__exact=5")
        self.assertEqual(found["erna"], f"{entries}?object_type=auth.User&object_key__exact=9")
        self.assertEqual(found["anna"], f"{entries}?actor=7")

    def test_same_queries_with_1_and_50_rows_of_many_models(self):
        """Who may see the objects is found out without a query per row."""
        counts = []
        for size in (1, 49):
            for number in range(size):
                entry(object_type=("auth.User", "auth.Group", "shop.Order")[number % 3])
            counts.append(len(self.queries(address("activitylog_changelist"))))
        self.assertEqual(counts[0], counts[1])

    def test_nothing_to_select_or_add(self):
        """A superuser finds no action, no button to add, and no form that changes anything."""
        self.viewer.is_superuser = True
        self.viewer.save()
        row = entry()
        page = self.listed()
        for text in ("action-select", "delete_selected", "activitylog/add/", "result ("):
            self.assertNotIn(text, page)
        self.assertNotIn("submit-row", self.get(address("activitylog_change", row.pk)))
        response = self.client.post(
            address("activitylog_changelist"),
            {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
        )
        self.assertNotIn("Are you sure", response.content.decode())
        self.assertTrue(type(row).objects.filter(pk=row.pk).exists())


class EntryPageTests(AdminTestCase):
    """The page of one entry."""

    def page(self, row):
        return self.get(address("activitylog_change", row.pk))

    def cells(self, row):
        """Return the table of changes as texts."""
        document = html5lib.parse(self.page(row), namespaceHTMLElements=False)
        (table,) = [t for t in document.iter("table") if "signalscope-diff" in t.get("class", "")]
        return [
            ["".join(cell.itertext()) for cell in line if cell.tag in ("td", "th")]
            for line in table.iter("tr")
        ][1:]

    def test_changes(self):
        """Each field has its values before and after, as a person reads them, by name."""
        row = entry(
            changes={
                "status": ["new", "paid"],
                "note": ["", "first\nsecond"],
                "total": [None, 7.5],
                "is_paid": [False, True],
                "tags": [["a", "b"], []],
                "data": [None, {"k": [1, "ü"]}],
                "password": [MASKED, MASKED],
                "odd": "no pair",
            }
        )
        self.assertEqual(
            self.cells(row),
            [
                ["data", NONE, '{\n  "k": [\n    1,\n    "ü"\n  ]\n}'],
                ["is_paid", "false", "true"],
                ["note", "empty", "first\nsecond"],
                ["odd", NONE, "no pair"],
                ["password", "masked", "masked"],
                ["status", "new", "paid"],
                ["tags", "a\nb", "empty"],
                ["total", NONE, "7.5"],
            ],
        )

    def test_who_from_where_and_why(self):
        """Actor, address, user agent, correlation id and details are shown."""
        row = entry(
            user_agent="Firefox/150",
            correlation_id="c&1",
            details={"reason": "nightly import", "rows": [1, 2]},
        )
        page = self.page(row)
        for text in ("anna", "key 7", "203.0.113.5", "Firefox/150", "nightly import", "rows"):
            self.assertIn(text, page)
        self.assertEqual(
            links(page)["c&1"], f"{address('trace_changelist')}?correlation_id__exact=c%261"
        )

    def test_trace(self):
        """The page leads to the trace, or says why it does not."""
        of = trace()
        for key, expected in (
            (of.pk, address("trace_change", of.pk)),
            (of.pk + 1, "was not kept, or has been pruned"),
            (None, "not part of a trace"),
        ):
            self.assertIn(expected, self.page(entry(trace_key=key)))

    def test_trace_without_its_permission(self):
        """Who may not see traces is not led there."""
        of = trace()
        self.viewer.user_permissions.remove(Permission.objects.get(codename="view_trace"))
        page = self.page(entry(trace_key=of.pk, correlation_id="c-1"))
        self.assertNotIn(address("trace_change", of.pk), page)
        self.assertNotIn(address("trace_changelist"), page)

    def test_others(self):
        """Other entries of the same trace, and of the same object, stand below."""
        now = timezone.now()
        times = [now.replace(second=3), now.replace(second=4)]
        row = entry(trace_key=1, object_label="itself", at=times[0])
        entry(trace_key=1, object_key="6", object_label="in the trace", at=times[1])
        entry(trace_key=2, object_label="of the object")
        entry(trace_key=2, object_type="shop.Item", object_label="of another")
        page = self.page(row)
        self.assertIn("in the trace", page)
        for at in times:
            self.assertIn(moment(at), page)
        self.assertIn("of the object", page)
        self.assertNotIn("of another", page)

    def test_without_object_and_trace(self):
        """An entry about nothing does not list all others about nothing."""
        row = entry(object_type="", object_key="", object_label="", changes={})
        entry(object_type="", object_key="", object_label="", details={"path": "elsewhere"})
        self.assertNotIn("elsewhere", self.page(row))

    def test_same_queries_with_1_and_50_others(self):
        """The page takes four queries of its own, whatever is in the trace."""
        of = trace()
        row = entry(trace_key=of.pk)
        counts = []
        for size in (1, 49):
            for _ in range(size):
                entry(trace_key=of.pk)
            queries = self.queries(address("activitylog_change", row.pk))
            self.assertEqual(sum("signalscope_" in query for query in queries), 4)
            counts.append(len(queries))
        self.assertEqual(counts[0], counts[1])

    def test_hostile_texts(self):
        """Whatever is in an entry stays text, apart from what is around it."""
        for text in HOSTILE_TEXTS:
            row = entry(
                action=text[:100],
                actor_label=text,
                object_type=text,
                object_label=text,
                object_key=text,
                changes={text: [text, [text, {text: text}]]},
                details={text: text},
                user_agent=text,
                correlation_id=text[:100],
            )
            for url in (address("activitylog_changelist"), address("activitylog_change", row.pk)):
                page = self.get(url)
                self.assertNotIn("<script>alert", page)
                self.assertNotIn("<svg onload", page)
            self.assertIn(f"<bdi>{escape(text)}</bdi>", page)

    def test_missing_entry(self):
        """An entry that there is not leads back, with a message."""
        for key in ("1", "x", "9" * 30):
            response = self.client.get(address("activitylog_change", key))
            self.assertRedirects(response, "/admin/", fetch_redirect_response=False)
