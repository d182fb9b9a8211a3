"""Tests of who sees the pages, and of the admin being no must."""

import os
import subprocess
import sys

from django.test import SimpleTestCase

from tests.admin.base import MODELS, AdminTestCase, address
from tests.stats.rows import call, dispatch, entry, rollup, slow_query, trace

WITHOUT_ADMIN = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["signalscope"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.core.management import call_command
call_command("check")
call_command("signalstats", list=True, format="json")
import sys
assert "signalscope.admin" not in sys.modules
"""


class AccessTests(AdminTestCase):
    """Only staff with the view permission sees anything, and nobody changes anything."""

    def addresses(self):
        of = trace()
        a_dispatch = dispatch(of)
        pages = {"trace": of, "dispatch": a_dispatch, "receivercall": call(a_dispatch)}
        pages["rollup"] = rollup(1000)
        pages |= {"activitylog": entry(), "slowquery": slow_query()}
        yield from (address(f"{name}_change", row.pk) for name, row in pages.items())
        yield from (address(f"{name}_changelist") for name in MODELS)
        yield from (address(name) for name in ("signals", "receiver"))

    def test_viewers_see_all_pages(self):
        """With the view permissions each page opens."""
        for url in self.addresses():
            self.get(url)

    def test_staff_without_permission_is_refused(self):
        """Staff without a permission gets 403 everywhere."""
        self.client.force_login(self.nobody)
        for url in self.addresses():
            self.get(url, status=403)

    def test_anonymous_is_sent_to_the_login(self):
        """Who is not logged in is redirected to the login, everywhere."""
        self.client.logout()
        for url in self.addresses():
            self.assertRedirects(
                self.client.get(url), f"/admin/login/?next={url}", fetch_redirect_response=False
            )

    def test_nobody_changes_anything(self):
        """There is no adding, changing or deleting, not even for superusers."""
        self.viewer.is_superuser = True
        self.viewer.save()
        for url in self.addresses():
            if url.endswith("/change/"):
                self.assertEqual(self.client.post(url, {"name": "x"}).status_code, 403)
                self.get(url.replace("/change/", "/delete/"), status=403)
        for name in MODELS:
            self.get(address(f"{name}_add"), status=403)

    def test_links_to_statistics_need_their_permission(self):
        """A trace's page links to statistics only where the reader may open them."""
        of = trace()
        call(dispatch(of))
        url = address("trace_change", of.pk)
        self.assertIn(f"{address('receiver')}?receiver=", self.get(url))
        self.viewer.user_permissions.remove(
            *self.viewer.user_permissions.filter(codename="view_rollup")
        )
        page = self.get(url)
        self.assertNotIn(address("receiver"), page)
        self.assertNotIn(address("signals"), page)

    def test_app_index_links_to_signals(self):
        """The app's index leads to the Signals page."""
        self.assertIn(address("signals"), self.get("/admin/signalscope/"))


class WithoutAdminTests(SimpleTestCase):
    """The admin is no dependency."""

    def test_works_without_the_admin(self):
        """In a project without the admin, everything but the pages works."""
        environment = {
            name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
        }
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_ADMIN],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
