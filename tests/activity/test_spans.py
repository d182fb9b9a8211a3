"""Which changes of a transaction are undone."""

import threading
from unittest import mock

from django.db import DatabaseError, connection, connections, transaction
from django.test import TransactionTestCase

from signalscope.activity.spans import followed_span, running_span, running_transaction
from signalscope.recorder.notes import Entry
from tests.tracked.models import Label

SHADOWED = (
    "savepoint",
    "savepoint_commit",
    "savepoint_rollback",
    "commit",
    "rollback",
    "close",
    "set_autocommit",
)


def attributes():
    """Return what the connection itself has; django.db.connection only stands for it."""
    return connections["default"].__dict__


class Failure(Exception):
    """Ends a block."""


class SpanTests(TransactionTestCase):
    """Spans of real transactions."""

    def tearDown(self):
        """The connection is left as it was found, whatever happened in the test."""
        self.assertIsNone(followed_span("default"))
        for name in SHADOWED:
            self.assertNotIn(name, attributes())

    def begin(self):
        """Return the span of a change that is made now."""
        Label.objects.create(name="change")
        return running_span("default")

    def assert_told(self, span, *, is_undone):
        """Compare what a span says with what became of it."""
        self.assertIs(span.is_undone, is_undone)
        if not is_undone:
            self.assertIsNone(span.outcome)

    def test_autocommit(self):
        """Outside of a transaction there is no span, and nothing is shadowed."""
        self.assertIsNone(self.begin())

    def test_commit(self):
        """What was committed is part of no span any more."""
        with transaction.atomic():
            span = self.begin()
            self.assertIs(span.outcome, span)
            self.assertIs(running_span("default"), span)
        self.assert_told(span, is_undone=False)

    def test_rollback(self):
        """What was rolled back is undone."""
        with self.assertRaises(Failure), transaction.atomic():
            span = self.begin()
            raise Failure
        self.assert_told(span, is_undone=True)

    def test_savepoints(self):
        """A block within a block is undone by itself, or with the one around it."""
        with transaction.atomic():
            outer = self.begin()
            with transaction.atomic():
                kept = self.begin()
            with self.assertRaises(Failure), transaction.atomic():
                with transaction.atomic():
                    inner = self.begin()
                undone = self.begin()
                raise Failure
            self.assertIs(kept.outcome, outer)
            self.assertIs(running_span("default"), outer)
            self.assertEqual((inner.is_undone, undone.is_undone), (True, True))
        for span, is_undone in ((outer, False), (kept, False), (inner, True), (undone, True)):
            self.assert_told(span, is_undone=is_undone)

    def test_savepoint_older_than_the_first_change(self):
        """To roll back to it undoes all that is known, and the next change begins anew."""
        with transaction.atomic():
            with self.assertRaises(Failure), transaction.atomic():
                undone = self.begin()
                raise Failure
            self.assertEqual(attributes().keys() & set(SHADOWED), set())
            kept = self.begin()
        self.assert_told(undone, is_undone=True)
        self.assert_told(kept, is_undone=False)

    def test_savepoint_that_is_rolled_back_twice(self):
        """A savepoint made by hand is still there after a rollback to it."""
        with transaction.atomic():
            before = self.begin()
            sid = connection.savepoint()
            first = self.begin()
            connection.savepoint_rollback(sid)
            second = self.begin()
            connection.savepoint_rollback(sid)
            third = self.begin()
            connection.savepoint_commit(sid)
        told = [span.is_undone for span in (before, first, second, third)]
        self.assertEqual(told, [False, True, True, False])
        self.assert_told(third, is_undone=False)

    def test_release_of_an_outer_savepoint(self):
        """It releases those within it as well."""
        with transaction.atomic():
            root = self.begin()
            outer = connection.savepoint()
            connection.savepoint()
            inner = self.begin()
            connection.savepoint_commit(outer)
            self.assertIs(inner.outcome, root)
            self.assertIs(running_span("default"), root)

    def test_savepoint_that_fails(self):
        """What did not happen is not followed."""
        with transaction.atomic():
            span = self.begin()
            with mock.patch.object(connection, "_savepoint_rollback", side_effect=DatabaseError):
                with self.assertRaises(DatabaseError):
                    connection.savepoint_rollback(connection.savepoint())
            self.assertIs(span.is_undone, False)

    def test_commit_that_fails(self):
        """Django rolls back then."""
        with mock.patch.object(connection, "_commit", side_effect=DatabaseError):
            with self.assertRaises(DatabaseError), transaction.atomic():
                span = self.begin()
        self.assert_told(span, is_undone=True)

    def test_connection_that_is_closed(self):
        """The database undoes what was open."""
        with transaction.atomic():
            span = self.begin()
            connection.close()
        self.assert_told(span, is_undone=True)

    def test_manual_transactions(self):
        """Without autocommit, commit() and rollback() end a transaction."""
        transaction.set_autocommit(False)
        try:
            kept = self.begin()
            transaction.commit()
            undone = self.begin()
            transaction.rollback()
            with transaction.atomic():
                block = self.begin()
            self.assertIs(block.is_undone, False)
            transaction.rollback()
            self.assertIs(block.is_undone, True)
        finally:
            transaction.set_autocommit(True)
        self.assert_told(kept, is_undone=False)
        self.assert_told(undone, is_undone=True)

    def test_shadows_of_others(self):
        """A method that a test has replaced before is called, and is there again."""
        calls = []
        commit = connection.commit

        def counted():
            calls.append(1)
            commit()

        connection.commit = counted
        try:
            with transaction.atomic():
                self.begin()
            self.assertEqual(calls, [1])
            self.assertIs(attributes()["commit"], counted)
        finally:
            del connection.commit

    def test_shadows_that_are_taken_off(self):
        """A mock that ends in a transaction takes a shadow with it; the end is noticed later."""
        with self.assertRaises(Failure), transaction.atomic():
            span = self.begin()
            for name in SHADOWED:
                del attributes()[name]
            raise Failure
        self.assertIsNone(running_span("default"))
        self.assertIs(span.is_undone, True)

    def test_threads(self):
        """Each thread has a connection, and thus transactions, of its own."""
        found = []

        def look():
            found.append(running_span("default"))
            connections.close_all()

        with transaction.atomic():
            span = self.begin()
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            self.assertIs(running_span("default"), span)
        self.assertEqual(found, [None])

    def test_test_cases(self):
        """No callback is left where a project's tests count them."""
        with transaction.atomic():
            self.begin()
            self.assertEqual(connection.run_on_commit, [])


class HoldTests(TransactionTestCase):
    """Entries that wait for the commit."""

    def hold(self, name):
        """Let an entry wait; tell whether there is room."""
        entry = Entry(at=None, action=name)
        return not running_transaction("default").hold([entry], self.delivered.extend)

    def setUp(self):
        self.delivered = []

    def names(self):
        """Return what was delivered."""
        return [entry.action for entry in self.delivered]

    def test_commit(self):
        """They come at the commit, without those that were undone."""
        with transaction.atomic():
            self.hold("one")
            with transaction.atomic():
                self.hold("two")
            with self.assertRaises(Failure), transaction.atomic():
                self.hold("undone")
                raise Failure
            self.hold("three")
            self.assertEqual(self.names(), [])
        self.assertEqual(self.names(), ["one", "two", "three"])

    def test_rollback(self):
        """They never come."""
        with self.assertRaises(Failure), transaction.atomic():
            self.hold("undone")
            raise Failure
        with transaction.atomic():
            Label.objects.create(name="change")
        self.assertEqual(self.names(), [])

    def test_bound(self):
        """There is room for so many, and for more where some were undone."""
        with mock.patch("signalscope.activity.spans.MAX_HELD", 2), transaction.atomic():
            self.assertIs(self.hold("one"), True)
            sid = connection.savepoint()
            self.assertIs(self.hold("undone"), True)
            self.assertIs(self.hold("beyond"), False)
            connection.savepoint_rollback(sid)
            self.assertIs(self.hold("two"), True)
        self.assertEqual(self.names(), ["one", "two"])
