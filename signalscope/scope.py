"""The running parts of a process, built from the settings and joined."""

from __future__ import annotations

import os
import sys
from time import monotonic
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signalscope import __version__, signals
from signalscope.activity.journal import Journal
from signalscope.activity.operations import command_run, rule_entry
from signalscope.activity.standard import standard_hooks
from signalscope.activity.tracking import tracker
from signalscope.conf import NOISE, Conf, get_conf
from signalscope.context import Context
from signalscope.control.guard import Guards
from signalscope.control.mute import Mute, judge
from signalscope.control.refresh import Refresh
from signalscope.control.rules import Rules
from signalscope.control.slow import SlowCalls
from signalscope.core.correlation import find_headers
from signalscope.delivery.backends.thread import pool
from signalscope.delivery.processor import stop_all
from signalscope.delivery.traces import JobTrace
from signalscope.ending import Ending
from signalscope.exceptions import CannotInstrument
from signalscope.instrument.cost import measure
from signalscope.instrument.patch import Patch
from signalscope.recorder import strands
from signalscope.recorder.buffer import Buffer
from signalscope.recorder.captures import tell_query
from signalscope.recorder.commands import CommandTraces
from signalscope.recorder.gate import OPEN_CAPTURES
from signalscope.recorder.hooks import Both, Told, make_hooks
from signalscope.recorder.keeping import Keeping
from signalscope.recorder.late import LateRun
from signalscope.recorder.notes import Entry
from signalscope.recorder.plans import PLANS, Hook, Planner
from signalscope.recorder.queries import CallQueries, QueryWatcher, Reader
from signalscope.recorder.recorder import SPILL_LENGTH, Recorder
from signalscope.recorder.rollups import Rollups
from signalscope.recorder.slow_queries import SlowQueries
from signalscope.recorder.transactions import READERS
from signalscope.recorder.vitals import Vitals, process_name
from signalscope.recorder.writer import Writer
from signalscope.registry.signals import registry

if TYPE_CHECKING:
    from signalscope.activity.accounts import AccountWatch
    from signalscope.models import ControlRule
    from signalscope.upkeep.turns import Upkeep

_COMMAND = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
# These need no database, so they are not given one.
_WITHOUT_DATABASE = frozenset(
    {
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "help",
        "makemessages",
        "makemigrations",
        "startapp",
        "startproject",
        "version",
    }
)
# While these run, tables that are missing are no news.
_MIGRATING = frozenset({"migrate", "showmigrations"})


# Nothing is stored by a test runner, nor by a command that needs no database. A server that a
# test starts inherits pytest's variable, but does not import pytest.
_IS_TEST_RUNNER = _COMMAND == "test" or ("PYTEST_VERSION" in os.environ and "pytest" in sys.modules)
_STORES_NOTHING = _IS_TEST_RUNNER or _COMMAND in _WITHOUT_DATABASE


# Set for good by the first test environment: what its end still sends is no use to anybody.
_has_tested = False


def is_discarding() -> bool:
    """
    Tell whether what is recorded is dropped.

    So it is in a test run, unless the setting asks for it, and in commands without a database.
    """
    global _has_tested  # noqa: PLW0603
    if not (_STORES_NOTHING or _has_tested):
        # Once per trace. Django's setup_test_environment() puts an outbox there.
        mail = sys.modules.get("django.core.mail")
        if mail is None or "outbox" not in mail.__dict__:
            return False
        _has_tested = True
    return not get_conf().store_in_tests


# Of the time between two turns of the writer, how much it may spend on looking after the tables.
UPKEEP_SHARE = 0.05
CONNECTION_CREATED = "django.db.backends.signals.connection_created"


def make_keeping(conf: Conf) -> Keeping:
    """Return what decides which traces are kept."""
    return Keeping(
        rate=conf.effective_sample_rate,
        rates=conf.sample_rates,
        errors=conf.keep_errors,
        slow_ns=conf.slow_ms and conf.slow_ms * 1e6,
        slow_trace_ns=conf.slow_trace_ms and conf.slow_trace_ms * 1e6,
        names=conf.keep,
    )


class Scope:
    """The parts of this process, and what install() and uninstall() do with them."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}
        self.planner = Planner(
            name_signal=registry.name,
            find_hook=self._hooks.get,
            find_reader=READERS.get,
            on_new=self._start_writer,
        )
        self.buffer = Buffer()
        self.recorder = Recorder(
            planner=self.planner,
            buffer=self.buffer,
            rollups=Rollups(),
            is_discarding=is_discarding,
        )
        self.recorder.on_note = self._start_writer
        Context.attach = staticmethod(self.recorder.attach)
        strands.ClosedBranch.make_room = staticmethod(self.recorder.spill)
        self.query_watcher = QueryWatcher()
        self.call_queries = CallQueries(self.recorder.spill, SPILL_LENGTH)
        self.slow_queries = SlowQueries(self.recorder.note_slow_query)
        self._hooks.update(make_hooks(self.recorder, on_setting=self._setting_changed))
        self._hooks[CONNECTION_CREATED] = Told(self._connected, "connection")
        self.journal = Journal(self.recorder.note_entries, is_discarding)
        self.recorder.judge_mutes = judge
        Mute.can_mute = staticmethod(lambda: self.patch.is_installed)
        self.rules = Rules(self.planner.make_anew)
        self.planner.gatekeepers.append(self.rules.gate)
        self.guards = Guards(self.journal)
        self.planner.gatekeepers.append(self.guards.find_gate)
        self.slow_calls = SlowCalls()
        self.planner.watchers += [self.guards.find_watch, self.slow_calls.find_watch]
        # Plans are watched only while somebody listens.
        signals.receiver_slow.on_change = self.planner.make_anew
        for name, hook in standard_hooks(self.journal).items():
            own = self._hooks.get(name)
            self._hooks[name] = hook if own is None else Both(own, hook)
        self.patch = Patch()
        self.writer: Writer | None = None
        self.upkeep: Upkeep | None = None
        self.refresh: Refresh | None = None
        self.accounts: AccountWatch | None = None
        self.ending = Ending(self.stop, timeout_s=get_conf().exit_timeout_s)
        # Why Signal is not instrumented, where it should be.
        self.problem = ""
        self.configure()

    def configure(self) -> None:
        """Take over the settings, also when they change while running."""
        conf = get_conf()
        self.recorder.keeping = make_keeping(conf)
        self.journal.exclude = conf.activity_exclude
        self.recorder.correlation_headers = find_headers(tuple(conf.correlation_headers))
        self.recorder.rollups.max_keys = conf.max_keys
        self.recorder.trace_limit = conf.max_trace_dispatches
        self.buffer.max_bytes = conf.buffer_bytes
        self.ending.sigterm.timeout_s = conf.exit_timeout_s
        if self.writer is not None:
            self.writer.interval_s = conf.effective_flush_interval_s
            self.writer.exit_timeout_s = conf.exit_timeout_s
            self.writer.waiting.trace_rows.allowance.per_minute = conf.keep_per_minute
            self.writer.sink.alias = conf.database
        if self.writer is not None and self.upkeep is not None:
            self.upkeep.retention = conf.retention
            self.upkeep.budget_s = conf.effective_flush_interval_s * UPKEEP_SHARE
            self.writer.upkeep = self.upkeep if conf.upkeep else None
        if self.refresh is not None:
            self.refresh.alias = conf.database
            self.refresh.interval_s = conf.rules_refresh_s
        self._watch_queries(conf)
        JobTrace.recorder = self.recorder if self.patch.is_installed else None
        LateRun.make_plan = self.planner.plan_alone if self.patch.is_installed else None
        if self.accounts is not None and apps.models_ready:
            if self.patch.is_installed:
                self.accounts.install()
            else:
                self.accounts.uninstall()
        tracker.configure(conf.track, conf.mask, after_commit=conf.track_write == "after_commit")
        if self.patch.is_installed and self.writer is not None:
            tracker.start()
        else:
            tracker.stop()
        self.guards.configure(conf.guard)
        self.slow_calls.limit_ns = conf.slow_ms and conf.slow_ms * 1e6
        # Last, since it makes all plans anew.
        self.planner.choose(include=conf.include, exclude=(*NOISE, *conf.exclude))

    def _watch_queries(self, conf: Conf) -> None:
        readers: list[Reader] = [tell_query] if OPEN_CAPTURES else []
        if self.patch.is_installed and conf.captures_sql:
            # First: what a receiver of slow_query runs comes behind the statement it is told of.
            readers.append(self.call_queries.read)
        if self.patch.is_installed and conf.slow_query_ms is not None:
            self.slow_queries.limit_ns = conf.slow_query_ms * 1e6
            readers.append(self.slow_queries.read)
        self.query_watcher.choose(readers, connections.all(initialized_only=True))

    def watch_queries(self) -> None:
        """Let the connections of this thread tell of their statements, if anybody listens."""
        self._watch_queries(get_conf())

    def install(self) -> None:
        """Instrument Signal; where that cannot be done, say why in ``problem``."""
        # Changes of settings are not seen while nothing is instrumented.
        get_conf.cache_clear()
        commands = CommandTraces(self.recorder, self._command_ended)
        try:
            self.patch.install(
                self.recorder.helpers(),
                {
                    "begin_command": commands.begin_command,
                    "fail_command": commands.fail_command,
                    "end_command": commands.end_command,
                },
            )
            self.problem = ""
        except CannotInstrument as error:
            self.problem = str(error)
        self.configure()

    def uninstall(self) -> None:
        """Leave Signal as it was found."""
        self.patch.uninstall()
        self.configure()
        self.ending.sigterm.uninstall()
        if self.writer is not None:
            self.writer.stop()

    def make_writer(self) -> None:
        """Build the writer, which needs models: when the apps are ready."""
        # The imports that cannot stand at the top: they need models.
        from signalscope.models.rule import ControlRule, read_rules
        from signalscope.sinks.activity import store_entries
        from signalscope.sinks.database import DatabaseSink
        from signalscope.upkeep.turns import Upkeep

        if self.writer is None:
            conf = get_conf()
            sink = DatabaseSink(conf.database)
            self.upkeep = Upkeep(
                sink.connected,
                holder=process_name,
                retention=conf.retention,
                budget_s=conf.effective_flush_interval_s * UPKEEP_SHARE,
            )
            self.refresh = Refresh(
                self.rules,
                read=read_rules,
                alias=conf.database,
                connect=sink.connected,
                was_active=self._was_active,
                interval_s=conf.rules_refresh_s,
            )
            ControlRule.on_stored = self._rule_stored
            self.writer = Writer(
                self.recorder,
                sink,
                interval_s=conf.effective_flush_interval_s,
                exit_timeout_s=conf.exit_timeout_s,
                is_discarding=is_discarding,
                may_lack_tables=_COMMAND in _MIGRATING,
                vitals=Vitals(
                    version=__version__,
                    measure_cost=lambda: measure(self.patch, self.recorder),
                    patched_by=self.patch.others,
                ),
                upkeep=self.upkeep if conf.upkeep else None,
                refresh=self.refresh,
            )
            self.recorder.on_active = self.writer.wake
            self.writer.waiting.trace_rows.allowance.per_minute = conf.keep_per_minute
            for connection in connections.all(initialized_only=True):
                sink.meet(connection)
            tracker.note = self.recorder.note_entries
            # The tables may still be missing, which must not stop a project from migrating.
            tracker.store = self._note_entries if _COMMAND in _MIGRATING else store_entries

    def watch_accounts(self) -> None:
        """Begin to look after users and groups, which are models: when the apps are ready."""
        # Imports Django's password hashers, which connect a receiver.
        from signalscope.activity.accounts import AccountWatch

        if self.accounts is None:
            self.accounts = AccountWatch(self.journal)
        self.configure()

    def attend_end(self) -> None:
        """See to it that stop() is called, however the process will end."""
        if not _STORES_NOTHING:
            self.ending.attend(catches_sigterm=get_conf().catch_sigterm)

    def before_fork(self) -> None:
        """Wait until the writer is at rest: no child gets its connection."""
        if self.writer is not None:
            self.writer.hold()
        self.ending.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the writer go on."""
        self.ending.after_fork_in_parent()
        if self.writer is not None:
            self.writer.release()

    def after_fork(self) -> None:
        """Begin anew in a forked child: what is held belongs to the parent."""
        PLANS.clear()
        strands.LOOSE.clear()
        self.recorder.forget()
        self.guards.forget()
        if self.writer is not None:
            self.writer.forget()
        self.ending.after_fork()

    def stop(self) -> None:
        """Run the batches and calls that wait, and store what is left, as the process ends."""
        # Half of the time, so that what their functions do can still be stored.
        ends_at = monotonic() + get_conf().exit_timeout_s / 2
        stop_all(ends_at - monotonic())
        pool.stop(max(0.0, ends_at - monotonic()))
        if self.writer is not None and apps.ready:
            self.recorder.abandon_open_traces()
            self.writer.stop()

    def _start_writer(self) -> None:
        # Not while apps are loading: Django warns of queries then, and tables may be unknown.
        if self.writer is not None and apps.ready and self.writer.start():
            self.attend_end()

    def _was_active(self) -> bool:
        # Nothing is read where nothing is stored.
        return not is_discarding() and self.recorder.was_active()

    def _rule_stored(self, action: str, rule: ControlRule, using: str) -> None:
        """Log what became of a rule, and let it hold, once the transaction is committed."""
        if self.refresh is not None and self.patch.is_installed:
            if self.journal.wants(action):
                self.journal.note_on_commit([rule_entry(action, rule)], using)
            transaction.on_commit(self.refresh.now, using=using, robust=True)

    def _note_entries(self, entries: list[Entry], using: str) -> None:
        self.recorder.note_entries(entries)

    def _connected(self, connection: BaseDatabaseWrapper) -> None:
        self.query_watcher.watch(connection)
        if self.writer is not None:
            self.writer.sink.meet(connection)

    def _command_ended(self, name: str, *, is_error: bool, duration_ns: int) -> None:
        if self.journal.wants("command_run"):
            self.journal.note([command_run(name, is_error=is_error, duration_ns=duration_ns)])

    def _setting_changed(self, setting: object) -> None:
        if setting in ("SIGNALSCOPE", "DEBUG"):
            get_conf.cache_clear()
            self.configure()
