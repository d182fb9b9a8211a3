"""
Which part of a transaction is undone, and which is committed for good.

Django tells nobody of rollbacks, and a callback of on_commit() would be seen by the project's
tests. So the connection's own methods are shadowed, from the first change in a transaction that
matters here to the transaction's end. Entries of the activity log wait here meanwhile: to be
written in the transaction, or to be delivered once it is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from signalscope.activity.shadows import put_on, take_off
from signalscope.activity.unwritten import Store, Unwritten, is_given_up
from signalscope.recorder.notes import Entry

# How many entries one transaction holds until its commit.
MAX_HELD = 10_000


class Span:
    """
    A part of a transaction: between a savepoint and its end, or all of it.

    parent: the span around it, None where this is the whole transaction.
    """

    __slots__ = ("_is_kept", "_is_rolled_back", "parent")

    def __init__(self, parent: Span | None) -> None:
        self.parent = parent
        self._is_kept = False
        self._is_rolled_back = False

    def keep(self) -> None:
        """Make it a part of the span around it; the whole transaction is committed."""
        self._is_kept = True

    def roll_back(self) -> None:
        """Undo what was done in it."""
        self._is_rolled_back = True

    @property
    def is_undone(self) -> bool:
        """Whether it was rolled back, or a span around it was."""
        span: Span | None = self
        while span is not None and not span._is_rolled_back:
            span = span.parent
        return span is not None

    @property
    def outcome(self) -> Span | None:
        """The open span that it has become a part of; None once it is committed."""
        span: Span | None = self
        while span is not None and span._is_kept:
            span = span.parent
        return span


class Companion(Protocol):
    """Has something to write in a transaction, and knows by its spans what is undone of it."""

    def write(self, connection: BaseDatabaseWrapper) -> None:
        """Write it, before the commit or for somebody who reads; DatabaseError goes to them."""


class Transaction:
    """
    The spans of a connection's transaction, from the first change that matters on.

    A savepoint that is older than that is not known here; to roll back to it undoes everything.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        # The connection owns this: it must be free to go while a transaction is open.
        self._connection = ref(connection)
        self._root = Span(None)
        self._savepoints: list[tuple[str, Span]] = []
        self._held: list[tuple[Span, Entry]] = []
        self._deliver: Callable[[list[Entry]], None] | None = None
        self._unwritten = Unwritten()
        self.companion: Companion | None = None
        _open[connection] = self
        put_on(connection, self)

    @property
    def span(self) -> Span:
        """The span that a change belongs to now."""
        return self._savepoints[-1][1] if self._savepoints else self._root

    def hold(self, entries: list[Entry], deliver: Callable[[list[Entry]], None]) -> list[Entry]:
        """
        Keep entries until the commit, and give them to deliver() then, unless they are undone.

        Returns those that there is no room for.
        """
        room = MAX_HELD - len(self._held)
        span = self.span
        self._held += [(span, entry) for entry in entries[:room]]
        self._deliver = deliver
        return entries[room:]

    def write(self, entries: list[Entry], store: Store) -> None:
        """
        Have store() write entries in the transaction, together with those that follow.

        Raises DatabaseError where many wait already, and cannot be written.
        """
        connection = self._connection()
        if connection is not None:
            self._unwritten.add(entries, store, connection)

    def write_all(self) -> None:
        """Write what waits for that; raises DatabaseError where it cannot be written."""
        connection = self._connection()
        if connection is not None:
            self._unwritten.write(connection)

    def write_everything(self) -> None:
        """Write also what the companion has; raises DatabaseError where it cannot be written."""
        self.write_all()
        connection = self._connection()
        if self.companion is None or connection is None:
            return
        if not (connection.needs_rollback or is_given_up(connection)):
            self.companion.write(connection)

    def before_savepoint(self) -> None:
        """A savepoint comes: to roll back to it must not undo what was done before."""
        self.write_all()

    def before_commit(self) -> None:
        """All is about to be committed, unless the database has given it up."""
        connection = self._connection()
        if connection is None or connection.in_atomic_block:
            # Django refuses.
            return
        if is_given_up(connection):
            self._undo()
            return
        # Without autocommit, Django commits what was left after an error in a block, too.
        needs_rollback, connection.needs_rollback = connection.needs_rollback, False
        try:
            self.write_everything()
        finally:
            connection.needs_rollback = needs_rollback

    def before_set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002, FBT001
        """Databases commit what is open when autocommit is turned on."""
        if autocommit:
            self.before_commit()

    def after_savepoint(self, sid: str | None) -> None:
        """A savepoint was made; None where the database has none."""
        if sid is not None:
            self._savepoints.append((sid, Span(self.span)))

    def after_savepoint_commit(self, _: None, sid: str) -> None:
        """A savepoint was released, and with it all that were made since."""
        position = self._find(sid)
        if position is not None:
            self._keep_from(position)

    def after_savepoint_rollback(self, _: None, sid: str) -> None:
        """What was done since a savepoint was undone; the savepoint is still there."""
        position = self._find(sid)
        if position is None:
            self._undo()
            return
        # What waits came after the last savepoint, whichever this one is.
        self._unwritten.clear()
        self._savepoints[position][1].roll_back()
        del self._savepoints[position:]
        self._savepoints.append((sid, Span(self.span)))
        # What is undone came last.
        while self._held and self._held[-1][0].is_undone:
            self._held.pop()

    def after_commit(self, _: None) -> None:
        """All is committed that was not undone before."""
        self._keep_from(0)
        self._root.keep()
        self._end()
        held, self._held = self._held, []
        if held and self._deliver is not None:
            self._deliver([entry for _, entry in held])

    def after_rollback(self, _: None) -> None:
        """All is undone."""
        self._undo()

    def after_close(self, _: None) -> None:
        """The database undoes what was not committed; SQLite in memory is never closed."""
        connection = self._connection()
        if connection is None or connection.connection is None or connection.closed_in_transaction:
            self._undo()

    def after_set_autocommit(self, _: None, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: FBT001
        """Databases commit what is open when autocommit is turned on."""
        if autocommit:
            self.after_commit(None)

    def abandon(self) -> None:
        """Count all as undone, where the end was not seen."""
        self._undo()

    def _find(self, sid: str) -> int | None:
        # Of two with one name the database means the later one.
        for position in reversed(range(len(self._savepoints))):
            if self._savepoints[position][0] == sid:
                return position
        return None

    def _keep_from(self, position: int) -> None:
        for _, span in self._savepoints[position:]:
            span.keep()
        del self._savepoints[position:]

    def _undo(self) -> None:
        self._root.roll_back()
        self._held.clear()
        self._unwritten.clear()
        self._end()

    def _end(self) -> None:
        connection = self._connection()
        if connection is None or _open.get(connection) is not self:
            return
        del _open[connection]
        take_off(connection, self)


# The transactions that are followed now.
_open: WeakKeyDictionary[BaseDatabaseWrapper, Transaction] = WeakKeyDictionary()


def running_transaction(using: str) -> Transaction | None:
    """Return the transaction that is open in a database, followed from now on; None if none is."""
    connection: Any = connections[using]
    found = _open.get(connection)
    is_open = connection.in_atomic_block or not connection.get_autocommit()
    if found is not None and not is_open:
        # A mock that began before it and ended in it has taken the shadows off.
        found.abandon()
        return None
    return Transaction(connection) if found is None and is_open else found


def running_span(using: str) -> Span | None:
    """Return the span that a change in a database belongs to now; None in autocommit mode."""
    transaction = running_transaction(using)
    return None if transaction is None else transaction.span


def write_waiting(using: str) -> None:
    """Write what waits for that in a database's transaction, before somebody looks for it."""
    if _open:
        found = _open.get(connections[using])
        if found is not None:
            found.write_everything()


def followed_span(using: str) -> Span | None:
    """Return the span that what is read now may depend on; None where nothing is followed."""
    if not _open:
        return None
    found = _open.get(connections[using])
    return None if found is None else found.span
