"""The router that keeps signalscope's tables in a database of their own, and its check."""

from unittest import mock

from django.contrib.auth.models import User
from django.db import connections
from django.test import SimpleTestCase, override_settings

from signalscope import checks
from signalscope.models import ActivityLog, Delivery, ReceiverCall, Trace
from signalscope.outbox.databases import default_database
from signalscope.routers import SignalscopeRouter


class Nowhere:
    """A router that lets no table be made."""

    def allow_migrate(self, db, app_label, **hints):
        """Refuse."""
        return False


class RouterTestCase(SimpleTestCase):
    """Has a second database, which is signalscope's."""

    def setUp(self):
        second = {**connections.settings["default"]}
        self.enterContext(mock.patch.dict(connections.settings, observability=second))
        self.enterContext(override_settings(SIGNALSCOPE={"DATABASE": "observability"}))


class RouterTests(RouterTestCase):
    """Where models are read, written and migrated."""

    def test_own_models_are_there_and_only_there(self):
        """All of signalscope's models, in every way."""
        router = SignalscopeRouter()
        for model in (Trace, ReceiverCall):
            self.assertEqual(router.db_for_read(model), "observability")
            self.assertEqual(router.db_for_write(model, instance=None), "observability")
        self.assertIs(router.allow_migrate("observability", "signalscope"), True)
        self.assertIs(router.allow_migrate("default", "signalscope", model_name="trace"), False)

    def test_the_activity_log_is_everywhere(self):
        """It is read there by default, and may have a table wherever tracked models are."""
        router = SignalscopeRouter()
        self.assertEqual(router.db_for_read(ActivityLog), "observability")
        for alias, answer in (("observability", True), ("default", None)):
            given = router.allow_migrate(alias, "signalscope", model_name="activitylog")
            self.assertIs(given, answer)

    def test_deliveries_are_the_projects(self):
        """They may have a table in each database, and are read where the project's rows are."""
        router = SignalscopeRouter()
        self.assertIsNone(router.db_for_read(Delivery))
        self.assertIsNone(router.db_for_write(Delivery))
        for alias, answer in (("observability", True), ("default", None)):
            given = router.allow_migrate(alias, "signalscope", model_name="delivery")
            self.assertIs(given, answer)

    def test_nothing_is_said_about_others(self):
        """Other apps are left to the next router."""
        router = SignalscopeRouter()
        self.assertIsNone(router.db_for_read(User))
        self.assertIsNone(router.db_for_write(User))
        self.assertIsNone(router.allow_migrate("observability", "auth"))
        self.assertIsNone(router.allow_migrate("default", "auth"))

    def test_it_follows_the_setting(self):
        """Where DATABASE is the default one, the tables are there."""
        with override_settings(SIGNALSCOPE={}):
            self.assertEqual(SignalscopeRouter().db_for_read(Trace), "default")
            self.assertIs(SignalscopeRouter().allow_migrate("observability", "signalscope"), False)

    @override_settings(DATABASE_ROUTERS=["signalscope.routers.SignalscopeRouter"])
    def test_queries_go_there(self):
        """A query of the project's own for these models goes there without using()."""
        self.assertEqual(Trace.objects.all().db, "observability")
        self.assertEqual(default_database(), "default")
        self.assertEqual(User.objects.all().db, "default")


class CheckTests(RouterTestCase):
    """What the system check says of routers."""

    def found(self):
        """Return the ids and messages of what is found."""
        return [(message.id, message.msg) for message in checks.check_database(None)]

    def test_without_a_router(self):
        """Tables would be made in both databases."""
        ((number, message),) = self.found()
        self.assertEqual(number, "signalscope.W003")
        self.assertTrue(message.endswith("made in: default, observability."), message)

    @override_settings(DATABASE_ROUTERS=[f"{__name__}.Nowhere"])
    def test_nowhere(self):
        """Tables would be made nowhere; that is wrong with the default database, too."""
        ((_, message),) = self.found()
        self.assertTrue(message.endswith("made in: no database."), message)
        with override_settings(SIGNALSCOPE={}):
            self.assertEqual(len(self.found()), 1)

    @override_settings(DATABASE_ROUTERS=["signalscope.routers.SignalscopeRouter"])
    def test_with_the_shipped_router(self):
        """All is well."""
        self.assertEqual(self.found(), [])

    def test_default_database_needs_no_router(self):
        """With the default database nothing is said, whatever others there are."""
        with override_settings(SIGNALSCOPE={}):
            self.assertEqual(self.found(), [])
