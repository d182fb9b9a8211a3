"""Which groups and permissions users and groups are given and lose."""

import django
from django.contrib.auth.models import Group, Permission, User
from django.core import serializers
from django.db import connection, transaction
from django.db.models.signals import m2m_changed
from django.test.utils import CaptureQueriesContext, isolate_apps, modify_settings

import signalscope
from signalscope import wiring
from tests.activity.base import ActivityTestCase
from tests.sinks.test_database import store

MIDDLEWARE = "signalscope.middleware.SignalContextMiddleware"


class PermissionTestCase(ActivityTestCase):
    """Has a user, groups and permissions."""

    def setUp(self):
        super().setUp()
        self.ann = User.objects.create(username="ann")
        self.bob = User.objects.create(username="bob")
        self.editors = Group.objects.create(name="editors")
        self.authors = Group.objects.create(name="authors")
        self.add, self.change = Permission.objects.filter(
            codename__in=["add_order", "change_order"]
        ).order_by("codename")


class RelationTests(PermissionTestCase):
    """From both sides of each relation, in each way."""

    def check(self, *expected):
        self.assertEqual(self.lines(), [f"nobody permissions_changed {line}" for line in expected])

    def test_groups_of_a_user(self):
        """Added, removed and cleared."""
        self.ann.groups.add(self.editors, self.authors.pk)
        self.ann.groups.remove(self.authors)
        self.ann.groups.clear()
        editors, authors = f"editors ({self.editors.pk})", f"authors ({self.authors.pk})"
        self.check(
            f'auth.User ann {{"groups": [[], ["{editors}", "{self.authors.pk}"]]}}',
            f'auth.User ann {{"groups": [["{authors}"], []]}}',
            'auth.User ann {"groups": [null, []]}',
        )

    def test_set(self):
        """set() is what it takes away, and what it adds; nothing where nothing changes."""
        self.ann.groups.set([self.editors])
        self.ann.groups.set([self.editors])
        self.ann.groups.set([self.authors])
        self.ann.groups.set([self.authors], clear=True)
        editors, authors = f"editors ({self.editors.pk})", f"authors ({self.authors.pk})"
        self.check(
            f'auth.User ann {{"groups": [[], ["{editors}"]]}}',
            f'auth.User ann {{"groups": [["{self.editors.pk}"], []]}}',
            f'auth.User ann {{"groups": [[], ["{authors}"]]}}',
            'auth.User ann {"groups": [null, []]}',
            f'auth.User ann {{"groups": [[], ["{authors}"]]}}',
        )

    def test_users_of_a_group(self):
        """Each user has an entry, as if it had been done from there."""
        self.editors.user_set.add(self.ann, self.bob.pk)
        self.editors.user_set.remove(self.ann)
        self.editors.user_set.clear()
        label = f"editors ({self.editors.pk})"
        self.check(
            f'auth.User ann {{"groups": [[], ["{label}"]]}}',
            f'auth.User {self.bob.pk} {{"groups": [[], ["{label}"]]}}',
            f'auth.User ann {{"groups": [["{label}"], []]}}',
            'auth.Group editors {"user": [null, []]}',
        )
        first, second, *_ = self.entries()
        self.assertEqual(
            (first.object_key, second.object_key), (str(self.ann.pk), str(self.bob.pk))
        )

    def test_permissions(self):
        """Of users and of groups; a permission is named without a query."""
        add = f"Can add order ({self.add.pk})"
        self.ann.user_permissions.add(self.add)
        self.editors.permissions.add(self.add)
        self.add.group_set.remove(self.editors)
        self.add.user_set.remove(self.ann)
        self.check(
            f'auth.User ann {{"user_permissions": [[], ["{add}"]]}}',
            f'auth.Group editors {{"permissions": [[], ["{add}"]]}}',
            f'auth.Group editors {{"permissions": [["{add}"], []]}}',
            f'auth.User ann {{"user_permissions": [["{add}"], []]}}',
        )

    def test_create(self):
        """A group that is made for a user is added to it."""
        group = self.ann.groups.create(name="chiefs")
        self.check(f'auth.User ann {{"groups": [[], ["chiefs ({group.pk})"]]}}')

    def test_nothing(self):
        """To add nothing is nothing."""
        self.ann.groups.add()
        self.ann.groups.remove()
        self.check()

    @isolate_apps("tests.shop")
    def test_proxy(self):
        """A proxy's user is a user."""

        class Staff(User):
            class Meta:
                proxy = True
                app_label = "shop"

        Staff.objects.get(username="ann").groups.add(self.editors)
        self.check(f'auth.User ann {{"groups": [[], ["editors ({self.editors.pk})"]]}}')

    def test_hostile_name(self):
        """A name may be anything."""
        self.editors.name = "\x00\ud800" + "x" * 1_000_000
        self.ann.groups.add(self.editors)
        (entry,) = self.entries()
        self.assertLess(len(entry.changes["groups"][1][0]), 600)

    def test_failure(self):
        """What was not done is not logged, and the error is the project's."""
        with self.assertRaises(TypeError):
            self.ann.groups.add(self.bob)
        self.check()

    def test_rolled_back(self):
        """What was rolled back is not logged."""
        with transaction.atomic():
            self.ann.groups.add(self.editors)
            transaction.set_rollback(True)
        self.check()

    def test_committed(self):
        """What was done in a transaction is logged as it is committed."""
        with transaction.atomic():
            self.ann.groups.add(self.editors)
            self.assertEqual(wiring.scope().recorder.entries.take(), [])
        self.assertEqual(len(self.lines()), 1)

    @modify_settings(MIDDLEWARE={"append": MIDDLEWARE})
    def test_admin_page(self):
        """The admin's page of a user says who gave what to whom."""
        root = User.objects.create_superuser("root", password="x")
        self.client.force_login(root)
        response = self.client.post(
            f"/admin/auth/user/{self.ann.pk}/change/",
            {
                "username": "ann",
                "groups": [self.editors.pk],
                "is_active": "on",
                "is_staff": "on",
                "date_joined_0": "2026-11-21",
                "date_joined_1": "12:00:00",
            },
        )
        self.assertEqual(response.status_code, 302, response.content)
        label = f"editors ({self.editors.pk})"
        self.assertEqual(
            self.lines()[-2:],
            [
                'root permissions_changed auth.User ann {"is_staff": [false, true]}',
                f'root permissions_changed auth.User ann {{"groups": [[], ["{label}"]]}}',
            ],
        )


class AsBeforeTests(PermissionTestCase):
    """What the project notices: nothing."""

    def statements(self):
        """Return the SQL of each way to change a relation, without keys."""
        with CaptureQueriesContext(connection) as queries:
            self.ann.groups.add(self.editors)
            self.ann.groups.add(self.editors)
            self.ann.groups.set([self.authors])
            self.ann.groups.remove(self.authors)
            self.editors.user_set.add(self.ann, self.bob)
            self.editors.user_set.clear()
            self.editors.permissions.set([self.add, self.change])
            self.add.group_set.clear()
            self.ann.user_permissions.set([self.add], clear=True)
            self.ann.user_permissions.clear()
            self.editors.permissions.clear()
        return [query["sql"] for query in queries]

    def bare_statements(self):
        signalscope.uninstall()
        try:
            return self.statements()
        finally:
            signalscope.install()

    def test_statements(self):
        """Not one statement differs from those of a project without signalscope."""
        bare = self.bare_statements()
        self.assertEqual(self.statements(), bare)
        self.assertGreater(len(self.lines()), 10)

    def test_statements_with_receivers(self):
        """The same where the project listens to m2m_changed, which makes Django run others."""

        def hear(**kwargs):
            pass

        m2m_changed.connect(hear)
        try:
            bare = self.bare_statements()
            self.assertEqual(self.statements(), bare)
        finally:
            m2m_changed.disconnect(hear)

    def test_no_receiver(self):
        """signalscope does not listen to m2m_changed, and users lose no fast delete."""
        for model in (
            User.groups.through,
            User.user_permissions.through,
            Group.permissions.through,
        ):
            self.assertFalse(m2m_changed.has_listeners(model))

    def test_uninstalled(self):
        """Django's methods are back, in the classes of both sides."""
        managers = [
            descriptor.related_manager_cls
            for descriptor in (
                *(User.groups, User.user_permissions, Group.permissions),
                *(Group.user_set, Permission.user_set, Permission.group_set),
            )
        ]

        def wrapped():
            return [hasattr(manager._add_items, "__wrapped__") for manager in managers]

        self.assertEqual(wrapped(), [True] * 6)
        signalscope.uninstall()
        try:
            self.assertEqual(wrapped(), [False] * 6)
            self.ann.groups.add(self.editors)
        finally:
            signalscope.install()
        self.assertEqual(wrapped(), [True] * 6)
        self.assertEqual(self.lines(), [])

    def test_excluded(self):
        """Where nobody wants it logged, nothing stands between."""
        with store(ACTIVITY_EXCLUDE=["*"]):
            manager = User.groups.related_manager_cls
            self.assertFalse(hasattr(manager._add_items, "__wrapped__"))
            self.ann.groups.add(self.editors)
        self.assertTrue(hasattr(manager._add_items, "__wrapped__"))
        self.assertEqual(self.lines(), [])

    def test_others_on_top(self):
        """Another library's method in the place of ours stays there."""
        manager = User.groups.related_manager_cls
        ours = manager.clear if not hasattr(manager, "_clear_base") else manager._clear_base
        name = ours.__name__

        def theirs(self, *args, **kwargs):
            return ours(self, *args, **kwargs)

        setattr(manager, name, theirs)
        try:
            signalscope.uninstall()
            self.assertIs(manager.__dict__[name], theirs)
        finally:
            setattr(manager, name, ours.__wrapped__)
            signalscope.install()

    def test_alters_data(self):
        """Templates still may not call clear()."""
        self.assertTrue(self.ann.groups.clear.alters_data)

    def test_fixture(self):
        """Where Django tells that a fixture is loaded, as it does since 6.1, it is not logged."""
        self.ann.groups.add(self.editors)
        text = serializers.serialize("json", [self.ann])
        self.ann.groups.clear()
        for item in serializers.deserialize("json", text):
            item.save()
        self.assertEqual(self.ann.groups.get(), self.editors)
        self.assertEqual(len(self.lines()), 2 + (django.VERSION < (6, 1)))
