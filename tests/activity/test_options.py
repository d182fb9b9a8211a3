"""How a project says what is tracked, and what it is told of mistakes."""

import os
import subprocess
import sys
from contextlib import contextmanager
from unittest import mock

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections, models
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings
from django.test.utils import isolate_apps

import signalscope
from signalscope import checks, conf
from signalscope.activity.tracking import tracker
from signalscope.models import ActivityLog
from tests.activity.tracking import entries, take_entries, tracked
from tests.shop.models import Order, Tag
from tests.tracked.models import Coupon, Customer, Invoice, Label, Place, Restaurant

SIGNALS = (pre_save, post_save, pre_delete, post_delete, m2m_changed)


def traces(*models_):
    """Return what tracking has left on models: receivers and methods."""
    found = [signal.has_listeners(model) for model in models_ for signal in SIGNALS]
    own = ("from_db", "refresh_from_db", "save_base", "_save_table")
    return found, [name for model in models_ for name in own if name in vars(model)]


class CallTests(TestCase):
    """track() and untrack()."""

    @isolate_apps("tests.tracked")
    def test_decorator(self):
        """It decorates a class with and without options, and returns it."""

        @signalscope.track
        class Plain(models.Model):
            class Meta:
                app_label = "tracked"

        @signalscope.track(fields=["name"], mask=("name",))
        class Named(models.Model):
            name = models.CharField(max_length=50)

            class Meta:
                app_label = "tracked"

        try:
            self.assertEqual((Plain.__name__, Named.__name__), ("Plain", "Named"))
            self.assertEqual(list(tracker.find(Named).columns), ["name"])
            self.assertEqual(list(tracker.find(Plain).columns), [])
        finally:
            for model in (Plain, Named):
                signalscope.untrack(model)
                del tracker._called[model]

    def test_untracked_models_are_untouched(self):
        """Nothing is done to a model before it is tracked, nor left when it no longer is."""
        family = (Place, Restaurant, Place.labels.through, Label, Order)
        before = traces(*family)
        self.assertEqual(before, ([False] * 25, []))
        with tracked(Place):
            self.assertTrue(any(traces(Place)[0]))
            self.assertTrue(any(traces(Restaurant)[0]))
            self.assertEqual(traces(Label, Order), ([False] * 10, []))
        self.assertEqual(traces(*family), before)

    def test_uninstalled(self):
        """signalscope.uninstall() leaves the model as it was; install() goes on."""
        with tracked(Coupon):
            signalscope.uninstall()
            try:
                self.assertEqual(traces(Coupon), ([False] * 5, []))
                Coupon.objects.create(code="a", percent=1)
            finally:
                signalscope.install()
            Coupon.objects.create(code="b", percent=1)
        self.assertEqual([name for _, name, _ in take_entries()], ["tracked.Coupon b"])

    def test_said_again(self):
        """What is said later counts."""
        with tracked(Coupon, fields=["percent"]):
            signalscope.track(Coupon, exclude=["percent", "since"])
            Coupon.objects.create(code="a", percent=1)
        self.assertEqual([changes for _, _, changes in take_entries()], [{}])

    def test_what_is_no_model(self):
        """The error says what was given and what to give."""
        for given in (None, "shop.Order", Order(), str):
            with self.assertRaisesRegex(TypeError, "is no model; give a model class"):
                signalscope.untrack(given)
            if given is not None:
                with self.assertRaisesRegex(TypeError, "is no model; give a model class"):
                    signalscope.track(given)

    @isolate_apps("tests.tracked")
    def test_models_that_cannot_be_tracked(self):
        """Abstract and swapped ones, those that Django makes, and signalscope's own."""

        class Base(models.Model):
            class Meta:
                abstract = True
                app_label = "tracked"

        class Swapped(models.Model):
            class Meta:
                app_label = "tracked"
                swappable = "AUTH_USER_MODEL"

        for model, message in (
            (Base, "tracked.Base is abstract; track the models that inherit from it"),
            (Swapped, "tracked.Swapped is swapped for auth.User; track that"),
            (Order.tags.through, "track shop.Order and its field"),
            (ActivityLog, "is signalscope's own"),
        ):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                signalscope.track(model)

    def test_unknown_fields(self):
        """The error says which fields there are."""
        for option in ("fields", "exclude", "mask"):
            with self.assertRaisesMessage(
                ValueError,
                "shop.Order has no field 'color', 'id' to track. Allowed: number, tags",
            ):
                signalscope.track(Order, **{option: ["number", "color", "id"]})
        with self.assertRaisesMessage(ValueError, "'doubled'"):
            signalscope.track(Invoice, fields=["doubled"])

    def test_options_of_another_type(self):
        """A text is no list of names."""
        with self.assertRaisesMessage(TypeError, "exclude is 'number'; it must be a list"):
            signalscope.track(Order, exclude="number")
        with self.assertRaisesMessage(TypeError, "raw is 1; it must be True or False"):
            signalscope.track(Order, raw=1)
        with self.assertRaises(TypeError):
            signalscope.track(Order, colour=["number"])


@contextmanager
def setting(**track):
    """Track by the setting in a block; "__" stands for the dot, "all" for the star."""
    labels = {name.replace("__", ".").replace("all", "*"): given for name, given in track.items()}
    with override_settings(SIGNALSCOPE={"TRACK": labels}):
        yield


class SettingTests(TestCase):
    """TRACK."""

    def test_label(self):
        """A model is tracked while the setting says so."""
        with setting(tracked__Coupon={"fields": ["percent"]}):
            Coupon.objects.create(code="a", percent=1)
        Coupon.objects.create(code="b", percent=1)
        self.assertEqual(take_entries(), [("created", "tracked.Coupon a", {"percent": [None, 1]})])

    def test_glob(self):
        """It names all models of an app; a name that one has not does not matter there."""
        with setting(tracked__all={"exclude": ["since", "nothing"]}):
            self.assertIsNotNone(tracker.find(Label))
            self.assertNotIn("since", tracker.find(Coupon).columns)
            self.assertIsNone(tracker.find(Order))
            self.assertIsNone(tracker.find(Invoice.labels.through))

    def test_glob_with_fields(self):
        """Models that have none of them are left out."""
        with setting(tracked__all={"fields": ["percent"]}):
            self.assertEqual(list(tracker.find(Coupon).columns), ["percent"])
            self.assertIsNone(tracker.find(Label))

    def test_everything(self):
        """Not even that means what Django and signalscope keep for themselves."""
        with setting(all={}):
            self.assertIsNotNone(tracker.find(User))
            self.assertIsNone(tracker.find(Session))
            self.assertIsNone(tracker.find(ActivityLog))
        with setting(sessions__Session={}):
            self.assertIsNotNone(tracker.find(Session))

    def test_nearest(self):
        """The full label counts more than the code, and the code more than a glob."""
        with tracked(Coupon, fields=["since"]):
            with setting(tracked__all={"fields": ["percent"]}):
                self.assertEqual(list(tracker.find(Coupon).columns), ["since"])
            with setting(tracked__Coupon={"fields": ["percent"]}):
                self.assertEqual(list(tracker.find(Coupon).columns), ["percent"])
            signalscope.untrack(Coupon)
            with setting(tracked__all={}):
                self.assertIsNone(tracker.find(Coupon))
            with setting(tracked__Coupon={}):
                self.assertIsNotNone(tracker.find(Coupon))

    def test_first_glob(self):
        """Of several globs the first one that matches counts."""
        with override_settings(
            SIGNALSCOPE={"TRACK": {"*.Coupon": {"fields": ["percent"]}, "tracked.*": {}}}
        ):
            self.assertEqual(list(tracker.find(Coupon).columns), ["percent"])
            self.assertGreater(len(tracker.find(Label).columns), 0)


class CheckTests(SimpleTestCase):
    """What the system check says of TRACK."""

    def problems(self, track):
        """Return the messages."""
        with override_settings(SIGNALSCOPE={"TRACK": track}):
            return [f"{found.id} {found.msg}" for found in checks.check_tracking(None)]

    def test_right(self):
        """Nothing, where all is well."""
        self.assertEqual(self.problems({}), [])
        self.assertEqual(
            self.problems({"shop.Order": {"exclude": ["number"]}, "tracked.*": {"raw": True}}), []
        )

    def test_mistakes(self):
        """Each is named with what is allowed; a model that it is about is not tracked."""
        for label, given, message in (
            ("shop.Ordre", {}, "App 'shop' doesn't have a 'Ordre' model."),
            ("shopp.*", {}, "no model matches. Apps with models: "),
            ("shop", {}, "it is no label of a model, such as shop.Order, nor a glob"),
            ("shop.Order", {"color": 1}, "has no option 'color'. Allowed: fields, exclude"),
            ("shop.Order", {"fields": ["color"]}, "no field 'color' to track. Allowed: number"),
            ("shop.*", {"mask": ["color"]}, "none of its models has a field 'color'. Allowed: "),
            ("shop.*", {"mask": "name"}, "mask is 'name'; it must be a list"),
            ("signalscope.Trace", {}, "is signalscope's own"),
        ):
            with self.subTest(label, given=given):
                (found,) = self.problems({label: given})
                self.assertTrue(
                    found.startswith(f"signalscope.E003 SIGNALSCOPE['TRACK'][{label!r}]"), found
                )
                self.assertIn(message, found)
                self.assertRegex(found, r"[^.]\.$")
                with override_settings(SIGNALSCOPE={"TRACK": {label: given}}):
                    self.assertEqual(tracker.find(Order) is not None, given == {"mask": ["color"]})

    def test_no_dict_at_all(self):
        """E001 says so, and the setting counts as not given."""
        for value in (["shop.Order"], {"shop.Order": None}, {1: {}}, {"shop.Order": {1: 2}}):
            with self.subTest(value), override_settings(SIGNALSCOPE={"TRACK": value}):
                ((key, sentence),) = conf.find_problems()
                self.assertEqual(key, "TRACK")
                self.assertIn('it must be a dict such as {"shop.Order"', sentence)
                self.assertEqual(conf.get_conf().track, {})


class DatabasesTests(TransactionTestCase):
    """Models in several databases."""

    def setUp(self):
        name = connections.settings["default"]["TEST"]["NAME"]
        second = {**connections.settings["default"], "ENGINE": "django.db.backends.sqlite3"}
        second |= {"NAME": f"file:{name}-second?mode=memory&cache=shared", "OPTIONS": {}}
        self.enterContext(mock.patch.dict(connections.settings, second=second))
        self.addCleanup(self.forget)
        self.enterContext(mock.patch.object(type(self), "databases", {"default", "second"}))
        with connections["second"].schema_editor() as editor:
            for model in (ActivityLog, Coupon, Label, Customer):
                editor.create_model(model)

    def forget(self):
        """Close the second database, which is gone then."""
        connections["second"].connection.close()
        connections["second"].connection = None
        del connections["second"]

    def test_entry_stands_where_the_change_is(self):
        """Each database has the entries of its own changes, and old values of its own rows."""
        with tracked(Coupon, fields=["percent"]):
            coupon = Coupon.objects.create(code="a", percent=1)
            coupon.percent = 2
            coupon.save(using="second")
            coupon.percent = 3
            coupon.save(using="second")
            coupon.save(using="default")
            Coupon.objects.using("second").get().delete()
        name = "tracked.Coupon a"
        self.assertEqual(
            entries("default"),
            [
                ("created", name, {"percent": [None, 1]}),
                ("updated", name, {"percent": [1, 3]}),
            ],
        )
        self.assertEqual(
            entries("second"),
            [
                ("created", name, {"percent": [None, 2]}),
                ("updated", name, {"percent": [2, 3]}),
                ("deleted", name, {"percent": [3, None]}),
            ],
        )


class ProcessTests(SimpleTestCase):
    """What is tracked in a process of its own, from its start."""

    def run_script(self, script, *, command="shell", **setting):
        """Run code in a project whose tables were never made; return its errors, if it fails."""
        begin = f"""
import sys
sys.argv = ["manage.py", {command!r}]
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["signalscope", "django.contrib.contenttypes", "tests.tracked"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    USE_TZ=True,
    SIGNALSCOPE={setting!r},
)
django.setup()
import signalscope
from django.db import connection
from django.db.models.signals import post_save
from tests.tracked.models import Label
"""
        done = subprocess.run(
            [sys.executable, "-c", begin + script],
            capture_output=True,
            text=True,
            check=False,
            env={key: value for key, value in os.environ.items() if "PYTEST" not in key},
        )
        return done.stderr if done.returncode else ""

    def test_disabled(self):
        """Where signalscope is switched off, a tracked model is as Django made it."""
        script = """
signalscope.track(Label)
assert not post_save.has_listeners(Label)
assert "from_db" not in vars(Label) and "save_base" not in vars(Label)
"""
        track = {"tracked.Label": {}}
        self.assertEqual(self.run_script(script, ENABLED=False, TRACK=track), "")
        self.assertIn("AssertionError", self.run_script(script, TRACK=track))

    def test_migrate(self):
        """Without the table tracked saves fail, but for those while migrate makes it."""
        script = """
with connection.schema_editor() as editor:
    editor.create_model(Label)
Label.objects.create(name="x")
recorder = signalscope.wiring.scope().recorder
assert [entry.action for entry in recorder.entries.take()] == ["created"]
"""
        track = {"tracked.Label": {}}
        self.assertIn(
            "no such table: signalscope_activitylog", self.run_script(script, TRACK=track)
        )
        self.assertEqual(self.run_script(script, command="migrate", TRACK=track), "")


class StartTests(SimpleTestCase):
    """Models that are decorated as they are loaded."""

    def test_tracked_before_the_apps_are_ready(self):
        """What is decorated as models are loaded is tracked once they all are."""
        self.assertIsNone(tracker.find(Tag))
        with mock.patch.object(tracker, "_is_started", False):
            signalscope.track(Tag)
            self.assertEqual(traces(Tag), ([False] * 5, []))
            self.assertIsNone(tracker.find(Tag))
            tracker.start()
            self.assertIsNotNone(tracker.find(Tag))
        signalscope.untrack(Tag)
        del tracker._called[Tag]
