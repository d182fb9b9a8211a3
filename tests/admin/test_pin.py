"""Tests of pinning traces: the one thing that can be changed, by those who may."""

from django.contrib.auth.models import Permission
from django.test import Client

from signalscope.models import Trace
from tests.admin.base import AdminTestCase, address
from tests.stats.rows import trace


class PinTests(AdminTestCase):
    """Pinning in the list and on the page of a trace."""

    def allow(self):
        self.viewer.user_permissions.add(
            Permission.objects.get(content_type__app_label="signalscope", codename="change_trace")
        )

    def act(self, action, *of, **data):
        """Run an action of the list on some traces."""
        keys = [row.pk for row in of]
        return self.client.post(
            address("trace_changelist"),
            {"action": action, "_selected_action": keys, **data},
            follow=True,
        )

    def pinned(self):
        return set(Trace.objects.filter(is_pinned=True).values_list("name", flat=True))

    def test_actions(self):
        """Selected traces are pinned and unpinned, others stay as they are."""
        self.allow()
        first, second, _ = (trace(name=name) for name in "abc")
        page = self.act("pin_selected", first, second).content.decode()
        self.assertIn("2 traces are pinned", page)
        self.assertEqual(self.pinned(), {"a", "b"})
        self.act("unpin_selected", first)
        self.assertEqual(self.pinned(), {"b"})

    def test_never_a_whole_table(self):
        """All rows of the table cannot be selected at once."""
        self.allow()
        first, _ = trace(name="a"), trace(name="b")
        self.act("pin_selected", first, select_across="1")
        self.assertEqual(self.pinned(), {"a"})

    def test_counter_without_a_link_to_the_whole_table(self):
        """The list has the counter that Django's script needs, and no link to select all rows."""
        self.allow()
        for _ in range(51):
            trace()
        page = self.get(address("trace_changelist"))
        self.assertIn('class="action-counter" data-actions-icnt="50"', page)
        self.assertNotIn("Select all 51", page)

    def test_button(self):
        """The page of a trace has a button that pins and unpins it."""
        self.allow()
        of = trace(name="a")
        url = address("trace_change", of.pk)
        for value, label, pinned in (("1", "Pin:", {"a"}), ("0", "Unpin:", set())):
            page = self.get(url)
            self.assertIn(label, page)
            self.assertIn(f'name="is_pinned" value="{value}"', page)
            response = self.client.post(address("trace_pin", of.pk), {"is_pinned": value})
            self.assertRedirects(response, url)
            self.assertEqual(self.pinned(), pinned)

    def test_others_see_neither_and_are_refused(self):
        """Without the permission there is no action and no button, and nothing changes."""
        of = trace(name="a")
        self.assertNotIn("pin_selected", self.get(address("trace_changelist")))
        self.assertNotIn("is_pinned", self.get(address("trace_change", of.pk)))
        self.assertEqual(self.client.post(address("trace_pin", of.pk)).status_code, 403)
        self.act("pin_selected", of)
        self.assertEqual(self.pinned(), set())
        self.client.force_login(self.nobody)
        self.assertEqual(self.client.post(address("trace_pin", of.pk)).status_code, 403)

    def test_by_post_with_a_token_only(self):
        """A link pins nothing, nor does another site's form."""
        self.allow()
        of = trace(name="a")
        self.get(address("trace_pin", of.pk), status=405)
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.viewer)
        self.assertEqual(
            client.post(address("trace_pin", of.pk), {"is_pinned": "1"}).status_code, 403
        )
        self.assertEqual(self.pinned(), set())

    def test_nothing_else_changes(self):
        """The permission opens no form."""
        self.allow()
        of = trace(name="a")
        url = address("trace_change", of.pk)
        self.assertEqual(self.client.post(url, {"name": "x"}).status_code, 403)
        self.get(address("trace_add"), status=403)

    def test_missing_trace(self):
        """A trace that is gone cannot be pinned."""
        self.allow()
        for key in (1, 9**30):
            response = self.client.post(address("trace_pin", key), {"is_pinned": "1"})
            self.assertEqual(response.status_code, 302)

    def test_list(self):
        """The list shows why a trace was kept and whether it is pinned, and filters by both."""
        trace(name="GET /a", kept_because="slow call")
        trace(name="GET /b", is_pinned=True)
        url = address("trace_changelist")
        self.assertIn("slow call", self.get(url))
        for query, shown, hidden in (
            ("kept_because__exact=slow+call", "GET /a", "GET /b"),
            ("is_pinned__exact=1", "GET /b", "GET /a"),
        ):
            page = self.get(f"{url}?{query}")
            self.assertIn(shown, page)
            self.assertNotIn(hidden, page)
