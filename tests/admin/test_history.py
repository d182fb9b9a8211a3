"""Tests of an object's activity in its history."""

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db import connection
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from signalscope.admin import SignalScopeHistoryMixin
from tests.admin.base import AdminTestCase, address
from tests.stats import rows
from tests.stats.rows import HOSTILE


def entry(**values):
    """Store an entry about a user."""
    return rows.entry(**({"object_type": "auth.User"} | values))


class CustomerAdmin(SignalScopeHistoryMixin, admin.ModelAdmin):
    """With nothing of its own."""


class Titled(admin.ModelAdmin):
    """Overrides the history as projects do."""

    def history_view(self, request, object_id, extra_context=None):
        return super().history_view(request, object_id, {"title": "All about it"})


class Finished(admin.ModelAdmin):
    """Answers with a page of its own."""

    def history_view(self, request, object_id, extra_context=None):
        return HttpResponse("finished")


class TitledCustomerAdmin(SignalScopeHistoryMixin, Titled):
    """The mixin before an override."""

    object_history_template = "admin/object_history.html"


class FinishedCustomerAdmin(SignalScopeHistoryMixin, Finished):
    """The mixin before an override that leaves nothing to add to."""


class HistoryTests(AdminTestCase):
    """The activity of one object."""

    @classmethod
    def setUpTestData(cls):
        super().setUpTestData()
        cls.viewer.user_permissions.add(Permission.objects.get(codename="view_user"))
        cls.customer = User.objects.create(username="carla")

    def response(self, admin_class=CustomerAdmin, key=None, user=None):
        request = RequestFactory().get("/")
        request.user = type(self.viewer).objects.get(pk=(user or self.viewer).pk)
        request.session = {}
        request._messages = FallbackStorage(request)
        found = admin_class(User, admin.site).history_view(request, str(key or self.customer.pk))
        return found.render() if isinstance(found, TemplateResponse) else found

    def page(self, *args, **options):
        return self.response(*args, **options).content.decode()

    def test_activity_below_the_history(self):
        """Django's own history comes first, then who did what, with the changes."""
        LogEntry.objects.create(
            user=self.viewer,
            content_type=ContentType.objects.get_for_model(User),
            object_id=str(self.customer.pk),
            object_repr="x",
            action_flag=CHANGE,
            change_message="by the admin",
        )
        done = entry(object_key=str(self.customer.pk))
        entry(object_key="999", actor_label="another")
        page = self.page()
        self.assertLess(page.index("by the admin"), page.index("anna"))
        self.assertIn("number: A-1 → A-2", page)
        self.assertIn(address("activitylog_change", done.pk), page)
        self.assertNotIn("another", page)

    def test_nothing_logged(self):
        """Without any entry the page says what to do."""
        self.assertIn("signalscope.track()", self.page())

    def test_needs_the_permission(self):
        """Who may not see activity sees the history as it was."""
        entry(object_key=str(self.customer.pk))
        self.nobody.user_permissions.add(Permission.objects.get(codename="view_user"))
        page = self.page(user=self.nobody)
        self.assertIn("change-history", page)
        self.assertNotIn("anna", page)
        self.assertNotIn("Activity", page)

    def test_more_than_a_hundred(self):
        """The page shows the newest hundred, and leads to all."""
        for number in range(101):
            entry(object_key=str(self.customer.pk), object_label=f"Entry {number}.")
        page = self.page()
        self.assertIn("Entry 100.", page)
        self.assertNotIn("Entry 0.", page)
        url = f"{address('activitylog_changelist')}?object_key__exact={self.customer.pk}"
        self.assertIn(escape(f"{url}&object_type__in=auth.User"), page)

    def test_one_query_more_whatever_there_is(self):
        """1 and 50 entries cost one query."""
        for size in (1, 49):
            for _ in range(size):
                entry(object_key=str(self.customer.pk))
            with CaptureQueriesContext(connection) as seen:
                self.page()
            own = [query for query in seen.captured_queries if "signalscope_" in query["sql"]]
            self.assertEqual(len(own), 1)

    def test_override_of_the_view(self):
        """An override of the view keeps what it does."""
        entry(object_key=str(self.customer.pk))
        page = self.page(TitledCustomerAdmin)
        self.assertIn("All about it", page)
        self.assertIn("anna", page)

    def test_override_that_answers_itself(self):
        """A finished page stays as it is."""
        self.assertEqual(self.page(FinishedCustomerAdmin), "finished")

    def test_object_that_is_gone(self):
        """A deleted object leads where Django leads to."""
        entry(object_key="999", action="deleted")
        self.assertEqual(self.response(key=999).status_code, 302)

    def test_hostile_texts(self):
        """What is in an entry stays text."""
        for text in HOSTILE:
            entry(object_key=str(self.customer.pk), actor_label=text, changes={text: [text, text]})
        page = self.page()
        self.assertNotIn("<script>alert", page)
        self.assertIn(escape(HOSTILE[0]), page)
