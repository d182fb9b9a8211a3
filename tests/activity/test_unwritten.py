"""Entries that wait in a transaction until they are written."""

from contextlib import contextmanager, suppress
from io import StringIO
from unittest import mock, skipIf, skipUnless

from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Count
from django.test import TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signalscope.activity.spans import write_waiting
from signalscope.activity.tracking import tracker
from signalscope.models import ActivityLog
from tests.activity.tracking import take_entries, tracked
from tests.tracked.models import Coupon, Label

TABLE = ActivityLog._meta.db_table


class Failure(Exception):
    """Ends a block."""


def change(code):
    """Make a change that has an entry."""
    Coupon.objects.create(code=code, percent=1)


@contextmanager
def moved_table():
    """Let there be no table of the activity log in a block."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(ActivityLog, TABLE, "moved")
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(ActivityLog, "moved", TABLE)


class WritingTestCase(TransactionTestCase):
    """Changes a tracked model, and looks at what was stored."""

    def setUp(self):
        self.enterContext(tracked(Coupon, exclude=["since"]))

    def assert_stored(self, *codes):
        """Each of them is stored with its entry, and nothing else is."""
        self.assertEqual(sorted(Coupon.objects.values_list("pk", flat=True)), sorted(codes))
        names = [name.removeprefix("tracked.Coupon ") for _, name, _ in take_entries()]
        self.assertEqual(names, list(codes))


class WritingTests(WritingTestCase):
    """When they are written."""

    def written(self, queries):
        """Return at which statements entries were written, and how many there were."""
        found = [query["sql"] for query in queries]
        return [number for number, sql in enumerate(found) if TABLE in sql], len(found)

    def test_one_statement(self):
        """It is the last one before the COMMIT, however many changes there were."""
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            for code in "abc":
                change(code)
        (position,), count = self.written(queries)
        self.assertEqual(queries[position + 1]["sql"], "COMMIT")
        self.assertEqual(position + 2, count)
        self.assert_stored(*"abc")

    def test_nothing_to_write(self):
        """A transaction whose changes are undone has no statement more."""
        with CaptureQueriesContext(connection) as queries, transaction.atomic():
            change("a")
            transaction.set_rollback(True)
        self.assertEqual(self.written(queries)[0], [])
        self.assert_stored()

    def test_before_a_savepoint(self):
        """They are written by then, so that a rollback to it leaves them; and once."""
        with transaction.atomic():
            change("a")
            with CaptureQueriesContext(connection) as queries, suppress(Failure):
                with transaction.atomic():
                    change("b")
                    raise Failure
            self.assertEqual(self.written(queries)[0], [0])
            with transaction.atomic():
                change("c")
        self.assert_stored("a", "c")

    def test_many(self):
        """So many are written at once, and the rest at the commit."""
        with mock.patch("signalscope.activity.unwritten.MAX_UNWRITTEN", 2):
            with CaptureQueriesContext(connection) as queries, transaction.atomic():
                for code in "abc":
                    change(code)
        self.assertEqual(len(self.written(queries)[0]), 2)
        self.assert_stored(*"abc")

    def test_without_autocommit(self):
        """commit() comes from the project then."""
        transaction.set_autocommit(False)
        try:
            change("a")
            transaction.rollback()
            change("b")
            transaction.commit()
        finally:
            transaction.set_autocommit(True)
        self.assert_stored("b")

    @skipIf(connection.vendor == "postgresql", "refused in a transaction")
    def test_autocommit_turned_on(self):
        """It commits what is open."""
        transaction.set_autocommit(False)
        try:
            change("a")
        finally:
            transaction.set_autocommit(True)
        self.assert_stored("a")

    def test_commit_after_an_error_in_a_block(self):
        """Without autocommit, Django commits what was done before it."""
        transaction.set_autocommit(False)
        try:
            with suppress(Failure), transaction.atomic(savepoint=False):
                change("a")
                raise Failure
            transaction.commit()
            self.assertTrue(connection.needs_rollback)
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)
        self.assert_stored("a")

    def test_commit_in_a_block(self):
        """Django refuses it, and nothing has happened."""
        with transaction.atomic():
            change("a")
            with self.assertRaises(transaction.TransactionManagementError):
                connection.commit()
            transaction.set_rollback(True)
        self.assert_stored()

    def test_change_by_an_execute_wrapper(self):
        """What is saved while entries are written has its entry as well."""
        inner = []

        def save_too(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if TABLE in sql and not inner:
                inner.append(sql)
                change("b")
            return result

        with connection.execute_wrapper(save_too), transaction.atomic():
            change("a")
        self.assert_stored("a", "b")


class FailureTests(WritingTestCase):
    """What cannot be written takes the changes along."""

    def setUp(self):
        super().setUp()
        self.called = []

    def test_commit(self):
        """The error comes out of the block; no callback runs, and the connection goes on."""
        with moved_table(), self.assertRaises(DatabaseError), transaction.atomic():
            transaction.on_commit(lambda: self.called.append(1))
            change("a")
        self.assertEqual(self.called, [])
        self.assert_stored()
        change("b")
        self.assert_stored("b")

    def test_autocommit(self):
        """The error comes out of save()."""
        with moved_table(), self.assertRaises(DatabaseError):
            change("a")
        self.assert_stored()

    def test_savepoint(self):
        """The transaction can only be rolled back then."""
        with moved_table():
            with self.assertRaises(transaction.TransactionManagementError), transaction.atomic():
                change("a")
                with self.assertRaises(DatabaseError), transaction.atomic():
                    self.fail("there is no savepoint")
                Coupon.objects.count()
        self.assert_stored()

    def test_without_autocommit(self):
        """A change whose entry could not be written is not committed by the next commit()."""
        transaction.set_autocommit(False)
        try:
            change("a")
            with mock.patch.object(tracker, "store", side_effect=IntegrityError("no room")):
                change("b")
                for _ in range(2):
                    with self.assertRaisesMessage(IntegrityError, "no room"):
                        transaction.commit()
            transaction.rollback()
        finally:
            transaction.set_autocommit(True)
        self.assert_stored()

    def test_error_of_another_kind(self):
        """Django would commit in spite of it, so it becomes one of the database's."""

        def refuse(execute, sql, params, many, context):
            if TABLE in sql:
                raise Failure("read only")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse):
            with self.assertRaisesMessage(DatabaseError, "read only") as caught:
                with transaction.atomic():
                    transaction.on_commit(lambda: self.called.append(1))
                    change("a")
        self.assertIsInstance(caught.exception.__cause__, Failure)
        self.assertEqual(self.called, [])
        self.assert_stored()


@skipUnless(connection.vendor in ("postgresql", "sqlite"), "nothing tells of it")
class GivenUpTests(WritingTestCase):
    """Transactions that the database has given up, while the project caught its error."""

    def give_up(self):
        """Run a statement that the transaction does not survive."""
        failing = {
            "postgresql": "SELECT * FROM nowhere",
            "sqlite": f"INSERT OR ROLLBACK INTO {Label._meta.db_table} (id, name) VALUES (1, 'b')",
        }
        with self.assertRaises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(failing[connection.vendor])

    def test_in_the_transaction(self):
        """There is no error of ours, where Django has none; and no entry."""
        Label.objects.create(pk=1, name="a")
        with transaction.atomic():
            change("a")
            self.give_up()
        self.assert_stored()

    @override_settings(SIGNALSCOPE={"TRACK_WRITE": "after_commit"})
    def test_after_commit(self):
        """Nothing was committed, and nothing is told."""
        Label.objects.create(pk=1, name="a")
        with mock.patch.object(tracker, "note") as note, transaction.atomic():
            change("a")
            self.give_up()
        note.assert_not_called()
        self.assert_stored()

    @skipUnless(connection.vendor == "postgresql", "SQLite has no savepoint left")
    def test_savepoint(self):
        """What was done before the savepoint is kept, with its entry."""
        with transaction.atomic():
            change("a")
            sid = connection.savepoint()
            change("b")
            self.give_up()
            connection.savepoint_rollback(sid)
            change("c")
        self.assert_stored("a", "c")


READING = {
    "all": lambda rows: len(rows.all()),
    "values": lambda rows: len(rows.values_list("pk")),
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "aggregate": lambda rows: rows.aggregate(found=Count("pk"))["found"],
    "iterator": lambda rows: len(list(rows.iterator())),
    "first": lambda rows: rows.first() is not None,
    "get": lambda rows: rows.get() is not None,
    "for_object": lambda rows: len(rows.for_object(Coupon(code="a"))),
    "union": lambda rows: len(rows.order_by().union(rows.order_by())),
    "update": lambda rows: rows.update(details={}),
    "delete": lambda rows: rows.delete()[0],
    "acount": lambda rows: async_to_sync(rows.acount)(),
    "aexists": lambda rows: async_to_sync(rows.aexists)(),
    "afirst": lambda rows: async_to_sync(rows.afirst)() is not None,
    "aupdate": lambda rows: async_to_sync(rows.aupdate)(details={}),
}


class ReadingTests(TestCase):
    """Who reads in the same transaction, as each test of a TestCase does, finds them."""

    def setUp(self):
        self.enterContext(tracked(Coupon, exclude=["since"]))

    def test_each_way(self):
        """Whichever way the activity log is asked, a queryset of before included."""
        for name, read in READING.items():
            with self.subTest(name), transaction.atomic():
                rows = ActivityLog.objects.order_by("pk")
                change("a")
                self.assertEqual(read(rows), 1)
                transaction.set_rollback(True)

    def test_command(self):
        """So does the command."""
        change("a")
        found = StringIO()
        call_command("signalscope", "activity", stdout=found)
        self.assertIn("Coupon object (a)", found.getvalue())

    def test_admin(self):
        """So does the admin."""
        self.client.force_login(get_user_model().objects.create_superuser("ann"))
        change("a")
        response = self.client.get(reverse("admin:signalscope_activitylog_changelist"))
        self.assertContains(response, "Coupon object (a)")

    def test_once(self):
        """Who reads twice writes once."""
        change("a")
        with self.assertNumQueries(2):
            ActivityLog.objects.exists()
        with self.assertNumQueries(1):
            ActivityLog.objects.exists()

    def test_after_an_error(self):
        """A transaction that can only be rolled back is not asked for more."""
        with suppress(Failure), transaction.atomic():
            change("a")
            transaction.set_rollback(True)
            write_waiting("default")
            raise Failure
        self.assertEqual(take_entries(), [])
