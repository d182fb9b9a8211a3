"""What the tests of the admin's pages share."""

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

MODELS = (
    "trace",
    "dispatch",
    "receivercall",
    "rollup",
    "loss",
    "activitylog",
    "slowquery",
    "delivery",
)


def address(name, *args):
    """Return an address of signalscope's pages in the admin."""
    return reverse(f"admin:signalscope_{name}", args=args)


class AdminTestCase(TestCase):
    """Logged in as staff that may view everything of signalscope."""

    @classmethod
    def setUpTestData(cls):
        cls.viewer = User.objects.create_user("viewer", is_staff=True)
        cls.viewer.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="signalscope", codename__startswith="view_"
            )
        )
        cls.nobody = User.objects.create_user("nobody", is_staff=True)

    def setUp(self):
        self.client.force_login(self.viewer)

    def get(self, url, status=200):
        """Return the page's text, after checking its status."""
        response = self.client.get(url)
        self.assertEqual(response.status_code, status, url)
        return response.content.decode()

    def queries(self, url):
        """Return the statements that a page runs."""
        with CaptureQueriesContext(connection) as seen:
            self.get(url)
        return [query["sql"] for query in seen.captured_queries]
