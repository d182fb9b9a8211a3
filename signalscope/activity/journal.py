"""Takes what signalscope logs by itself, where the project wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from signalscope.activity.spans import running_transaction
from signalscope.core.names import matches
from signalscope.recorder.notes import Entry


class Journal:
    """
    The way of signalscope's own entries to the writer.

    note: called with entries to be stored. is_discarding: called; True while nothing is stored.
    exclude: globs over the actions that are not logged.
    """

    def __init__(
        self, note: Callable[[list[Entry]], None], is_discarding: Callable[[], bool]
    ) -> None:
        self.note = note
        self._is_discarding = is_discarding
        self.exclude: Sequence[str] = ()

    def is_excluded(self, action: str) -> bool:
        """Tell whether the project does not want an action in its log."""
        return matches(self.exclude, action)

    def wants(self, action: str) -> bool:
        """Tell whether an entry is worth making now."""
        return not self._is_discarding() and not self.is_excluded(action)

    def note_on_commit(self, entries: list[Entry], using: str) -> None:
        """Note entries once what they tell of is committed, and not at all if it never is."""
        transaction = running_transaction(using)
        if transaction is not None:
            # What one transaction has no room for is noted at once.
            entries = transaction.hold(entries, self.note)
        self.note(entries)


class Logged:
    """
    A hook: notes what a signal tells, before its receivers run.

    make: called with the dispatch's named arguments, returns the entries.
    """

    def __init__(
        self, journal: Journal, action: str, make: Callable[[dict[str, Any]], list[Entry]]
    ) -> None:
        self._journal = journal
        self._action = action
        self._make = make

    def before(self, named: dict[str, Any]) -> None:
        """Note it."""
        if self._journal.wants(self._action):
            self._journal.note(self._make(named))

    def after(self) -> None:
        """Nothing is left to do."""
