"""Tests of the page of a trace."""

import html5lib

from tests.admin.base import AdminTestCase, address
from tests.stats.rows import HOSTILE, RECEIVER, call, dispatch, entry, slow_query, trace


class TracePageTests(AdminTestCase):
    """A trace as a tree."""

    def page(self, of):
        return self.get(address("trace_change", of.pk))

    def test_badges(self):
        """SQL, repeated queries, errors, repeats, transaction and outcome are seen."""
        of = trace(left_out_count=12, status="error", user_label="ann", correlation_id="c-1")
        first = dispatch(of, repeat_count=1000, in_atomic=True, method="send_robust")
        call(
            first,
            query_count=41,
            query_ns=2_000_000,
            repeated_query_count=40,
            outcome="error",
            error_type="ValueError",
            error_message="declined",
            own_ns=1_000_000,
        )
        call(first, position=1, outcome="cancelled", receiver="shop.receivers.late")
        dispatch(of, position=1, signal="shop.signals.alone")
        page = self.page(of)
        for text in (
            "\N{MULTIPLICATION SIGN}1000",
            "in a transaction",
            "send_robust",
            "41 queries",
            "40 repeated: N+1?",
            "ValueError",
            "declined",
            "cancelled",
            "own 1.00",
            "12 dispatches were left out",
            "no receiver ran",
            "ann",
            "c-1",
            "5.00 ms",
        ):
            self.assertIn(text, page)
        self.assertIn(f"{address('receiver')}?receiver={RECEIVER}", page)

    def test_others_with_the_same_correlation_id(self):
        """The id links to the traces that have it, whatever characters are in it."""
        shared = "a&b=c <script>+ü"
        of = trace(correlation_id=shared, name="GET /one")
        trace(correlation_id=shared, name="GET /two")
        trace(correlation_id="a", name="GET /three")
        links = html5lib.parse(self.page(of), namespaceHTMLElements=False).iter("a")
        (target,) = [a.get("href") for a in links if a.text == shared]
        listed = self.get(target)
        self.assertIn("GET /one", listed)
        self.assertIn("GET /two", listed)
        self.assertNotIn("GET /three", listed)

    def test_five_queries_for_any_tree(self):
        """1 and 50 dispatches, entries and slow queries take the same queries, five of them own."""
        counts = []
        for size in (1, 50):
            of = trace()
            parent = None
            for number in range(size):
                parent = call(dispatch(of, parent, position=number))
                entry(trace_key=of.pk)
                slow_query(trace_key=of.pk)
            queries = self.queries(address("trace_change", of.pk))
            counts.append(len(queries))
            self.assertEqual(sum("signalscope_" in query for query in queries), 5)
        self.assertEqual(len(set(counts)), 1)

    def test_markup_is_well_formed_and_safe(self):
        """Hostile texts stay texts; lists nest as HTML wants; no style or script stands inline."""
        of = trace(name=HOSTILE[0], user_agent=HOSTILE[0])
        for text in HOSTILE:
            first = dispatch(of, signal=text, sender=text)
            below = call(first, receiver=text, outcome="error", error_type=text, error_message=text)
            dispatch(of, below, signal=text)
        page = self.page(of)
        self.assertNotIn("<script>alert", page)
        main = page[page.index('<ul class="signalscope-tree">') :]
        main = main[: main.rindex("</ul>") + 5]
        self.assertNotIn("style=", main)
        parser = html5lib.HTMLParser(strict=True)
        parser.parseFragment(main.replace("\x1b", ""))

    def test_activity_and_slow_queries(self):
        """What was done in the trace, and its slow queries, stand below the tree."""
        of = trace()
        done = entry(trace_key=of.pk, object_label="Order 5", changes={"status": ["new", "paid"]})
        slow = slow_query(trace_key=of.pk)
        entry(trace_key=of.pk + 1, object_label="Order 6")
        page = self.page(of)
        for text in (
            address("activitylog_change", done.pk),
            "Order 5",
            "status: new → paid",
            address("slowquery_change", slow.pk),
            "1.20 s",
            "SELECT id FROM shop_order",
        ):
            self.assertIn(text, page)
        self.assertNotIn("Order 6", page)

    def test_more_activity_than_the_page_shows(self):
        """The page shows the first hundred entries, and leads to all of them."""
        of = trace()
        for number in range(102):
            entry(trace_key=of.pk, object_label=f"Order {number}.")
        page = self.page(of)
        self.assertIn("Order 99.", page)
        self.assertNotIn("Order 100.", page)
        all_of_them = f"{address('activitylog_changelist')}?trace_key__exact={of.pk}"
        self.assertIn(all_of_them, page)
        self.assertIn("Order 101.", self.get(all_of_them))

    def test_activity_needs_its_permission(self):
        """Who may see traces only sees neither activity nor slow queries there."""
        of = trace()
        entry(trace_key=of.pk, object_label="Order 5")
        slow_query(trace_key=of.pk, sql="SELECT secret")
        self.viewer.user_permissions.remove(
            *self.viewer.user_permissions.exclude(codename="view_trace")
        )
        page = self.page(of)
        self.assertNotIn("Order 5", page)
        self.assertNotIn("SELECT secret", page)

    def test_trace_without_dispatches(self):
        """A trace without rows says so."""
        self.assertIn("No dispatch is stored", self.page(trace()))

    def test_missing_trace(self):
        """A trace that there is not leads back, with a message."""
        for key in ("1", "x", "9" * 30):
            response = self.client.get(address("trace_change", key))
            self.assertRedirects(response, "/admin/", fetch_redirect_response=False)
