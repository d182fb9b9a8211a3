"""Tests of the page of a trace."""

import html5lib

from tests.admin.base import AdminTestCase, address
from tests.stats.rows import HOSTILE, RECEIVER, call, dispatch, trace


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

    def test_three_queries_for_any_tree(self):
        """A tree of 1 and of 50 dispatches takes the same queries, three of them its own."""
        counts = []
        for size in (1, 50):
            of = trace()
            parent = None
            for number in range(size):
                parent = call(dispatch(of, parent, position=number))
            queries = self.queries(address("trace_change", of.pk))
            counts.append(len(queries))
            self.assertEqual(sum("signalscope_" in query for query in queries), 3)
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

    def test_trace_without_dispatches(self):
        """A trace without rows says so."""
        self.assertIn("No dispatch is stored", self.page(trace()))

    def test_missing_trace(self):
        """A trace that there is not leads back, with a message."""
        for key in ("1", "x", "9" * 30):
            response = self.client.get(address("trace_change", key))
            self.assertRedirects(response, "/admin/", fetch_redirect_response=False)
