"""Tests of the list and the page of slow queries."""

from tests.admin.base import AdminTestCase, address
from tests.stats.rows import RECEIVER, slow_query, trace


class SlowQueryTests(AdminTestCase):
    """Statements that took long."""

    def page(self, row):
        return self.get(address("slowquery_change", row.pk))

    def test_row(self):
        """A row says how long it took, where, what ran it, and leads to the trace."""
        of = trace()
        slow_query(trace_key=of.pk)
        page = self.get(address("slowquery_changelist"))
        for text in (
            "1.20 s",
            "default",
            "SELECT id FROM",
            RECEIVER,
            address("trace_change", of.pk),
        ):
            self.assertIn(text, page)

    def test_long_statement_is_cut_in_the_list(self):
        """A row shows the beginning of a statement."""
        slow_query(sql=f"SELECT {', '.join(['a'] * 1000)} FROM t_end")
        self.assertNotIn("t_end", self.get(address("slowquery_changelist")))

    def test_page_shows_the_statement_on_lines(self):
        """The page breaks a statement into lines, and escapes it."""
        page = self.page(slow_query(sql="SELECT a FROM t WHERE a < %s AND b = '<script>'"))
        self.assertIn(
            "SELECT a\nFROM t\nWHERE a &lt; %s\n  AND b = &#x27;&lt;script&gt;&#x27;", page
        )

    def test_page_of_a_statement_that_is_nested_too_deep(self):
        """What sqlparse gives up on is shown as it is."""
        sql = f"SELECT {'(' * 3000}1{')' * 3000}"
        self.assertIn(sql, self.page(slow_query(sql=sql)))

    def test_trace(self):
        """The page leads to the trace, or says why it does not."""
        of = trace()
        for key, expected in (
            (of.pk, address("trace_change", of.pk)),
            (of.pk + 1, "was not kept, or has been pruned"),
            (None, "not part of a trace"),
        ):
            self.assertIn(expected, self.page(slow_query(trace_key=key)))

    def test_outside_of_receivers(self):
        """A statement that no receiver ran says so; one of a receiver leads to its statistics."""
        self.assertIn(f"{address('receiver')}?receiver={RECEIVER}", self.page(slow_query()))
        page = self.page(slow_query(signal="", sender="", receiver=""))
        self.assertIn("outside of receivers", page)
