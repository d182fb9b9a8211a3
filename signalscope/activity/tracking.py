"""Logs what is created, updated and deleted of the models that the project names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import DatabaseError, models
from django.db.models.signals import m2m_changed, post_delete, pre_delete

from signalscope.activity.changes import Change, family, unwatch, watch
from signalscope.activity.deletions import Covered
from signalscope.activity.entries import make_entry
from signalscope.activity.loaded import known_values, remember
from signalscope.activity.options import Options, options_of_setting
from signalscope.activity.relations import is_from_fixture, relation_entries
from signalscope.activity.saving import Saves, look_up
from signalscope.activity.spans import Transaction, running_span, running_transaction
from signalscope.activity.tracked import TrackedModel
from signalscope.core.faults import fault
from signalscope.recorder.notes import Entry

_UID = "signalscope.activity.tracking"
Model = type[models.Model]
Setting = Mapping[str, Mapping[str, Any]]


class Tracker:
    """
    Knows which models are tracked, and listens to them while it is started.

    store: writes entries at once: (entries, alias of a database), in its transaction if one is
    open. note: takes entries that are committed. Both are given by whoever starts it.
    """

    store: Callable[[list[Entry], str], None]
    note: Callable[[list[Entry]], None]

    def __init__(self) -> None:
        self._is_started = False
        # By the code; None for a model that it wants left out.
        self._called: dict[Model, Options | None] = {}
        self._setting: Setting = {}
        self._masks: Sequence[str] = ()
        self._options: dict[Model, Options | None] = {}
        self._roots: list[Model] = []
        self._throughs: set[Model] = set()
        self._tracked: dict[Model, TrackedModel | None] = {}
        self._covered = Covered()

    @property
    def waits_for_commit(self) -> bool:
        """Whether entries are stored after the commit, not in the transaction."""
        return not Saves.are_atomic

    def track(self, model: Model, options: Options | None) -> None:
        """Track a model in another way than before; None for not at all."""
        self._called[model] = options
        self._join_anew()

    def configure(self, setting: Setting, masks: Sequence[str], *, after_commit: bool) -> None:
        """Take over the settings TRACK, MASK and TRACK_WRITE."""
        Saves.are_atomic = not after_commit
        if (setting, masks) != (self._setting, self._masks):
            self._setting, self._masks = setting, masks
            self._join_anew()

    def start(self) -> None:
        """Begin to listen, once all models are there; nothing happens when called again."""
        if not self._is_started:
            self._is_started = True
            self._join_anew()

    def stop(self) -> None:
        """Leave all models as they were found, but know what is to be tracked."""
        self._leave()
        self._is_started = False

    def find(self, model: Model) -> TrackedModel | None:
        """Return what is tracked of a model, by itself or since it inherits from one that is."""
        try:
            return self._tracked[model]
        except KeyError:
            pass
        options = next((self._options[c] for c in model.__mro__ if c in self._options), None)
        found = None if options is None else TrackedModel(model, options, self._masks)
        self._tracked[model] = found
        return found

    def _join_anew(self) -> None:
        if not self._is_started:
            return
        self._leave()
        by_glob, by_label = options_of_setting(self._setting)
        # The nearer to one model something is said, the more it counts; the project has the last
        # word over the code of its apps.
        self._options = {**by_glob, **self._called, **by_label}
        self._roots = [model for model in self._options if self._is_root(model)]
        for root in self._roots:
            members = list(family(root))
            raw = any(tracked.raw for member in members if (tracked := self.find(member)))
            watch(root, self._saved, needs_old=lambda _: True, raw=raw, is_atomic=True)
            for member in members:
                pre_delete.connect(self._deleting, sender=member, weak=False, dispatch_uid=_UID)
                post_delete.connect(self._deleted, sender=member, weak=False, dispatch_uid=_UID)
                self._throughs.update(self._through_models(member))
        for through in self._throughs:
            m2m_changed.connect(self._related, sender=through, weak=False, dispatch_uid=_UID)

    def _leave(self) -> None:
        for root in self._roots:
            unwatch(root, self._saved)
            for member in family(root):
                pre_delete.disconnect(sender=member, dispatch_uid=_UID)
                post_delete.disconnect(sender=member, dispatch_uid=_UID)
        for through in self._throughs:
            m2m_changed.disconnect(sender=through, dispatch_uid=_UID)
        self._roots = []
        self._throughs = set()
        self._options = {}
        self._tracked = {}

    def _is_root(self, model: Model) -> bool:
        """Tell whether a model is tracked, and none that it inherits from."""
        bases = model.__mro__[1:]
        return self._options[model] is not None and not any(map(self._options.get, bases))

    def _through_models(self, model: Model) -> Iterable[Model]:
        tracked = self.find(model)
        fields = [] if tracked is None else tracked.relations.values()
        return [field.remote_field.through for field in fields]

    def _saved(self, change: Change) -> None:
        tracked = self.find(type(change.instance))
        if tracked is None or (change.is_raw and not tracked.raw):
            return

        def make() -> list[Entry]:
            changes = tracked.saved(change)
            if not (changes or change.is_created):
                return []
            action = "created" if change.is_created else "updated"
            return [make_entry(action, change.instance, changes=changes, may_query=True)]

        self._write(make, change.using, change.transaction)

    def _deleting(self, instance: models.Model, using: str, **named: Any) -> None:
        """Before a deletion: look up what is not known of the object."""
        tracked = self.find(type(instance))
        try:
            origin = named.get("origin")
            # Also where the child is left out, since its parent's row is no object of its own.
            self._covered.add_parents(instance, origin, self.find)
            if tracked is not None and not self._covered.has(instance, origin):
                known = known_values(instance, using)
                missing = [f for f in tracked.columns.values() if f.attname not in known]
                look_up(instance, using, missing)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001
            fault("looking up what is deleted", error)

    def _deleted(self, instance: models.Model, using: str, **named: Any) -> None:
        tracked = self.find(type(instance))
        if tracked is None or self._covered.take(instance, named.get("origin")):
            return

        def make() -> Iterable[Entry]:
            known = known_values(instance, using)
            # Django sends the signals for a row that is not there, too.
            if known or not tracked.columns:
                changes = tracked.deleted(instance, known)
                yield make_entry("deleted", instance, changes=changes, may_query=True)
            remember(instance, using, {}, running_span(using))

        self._write(make, using, running_transaction(using))

    def _related(self, using: str, **named: Any) -> None:
        owner = named["model"] if named["reverse"] else type(named["instance"])
        tracked = self.find(owner)
        if tracked is not None and (tracked.raw or not is_from_fixture(named)):
            named["using"] = using
            make = partial(relation_entries, tracked, named)
            self._write(make, using, running_transaction(using))

    def _write(
        self, make: Callable[[], Iterable[Entry]], using: str, transaction: Transaction | None
    ) -> None:
        """
        Write entries, in the transaction of the change or after it.

        Errors of the database go to the project: both or neither. Other ones are faults.
        """
        try:
            entries = list(make())
            if self.waits_for_commit:
                if transaction is None:
                    self.note(entries)
                    return
                # What one transaction has no room for is written in it.
                entries = transaction.hold(entries, self.note)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001
            fault("logging a change", error)
            return
        if not entries:
            return
        if transaction is None:
            self.store(entries, using)
        else:
            transaction.write(entries, self.store)


# Models are decorated before anything else of signalscope is built.
tracker = Tracker()
