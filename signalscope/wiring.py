"""Builds the running parts from the settings and joins them: the only file that knows them all."""

from __future__ import annotations

import atexit
import os
import sys
from contextvars import Token
from types import TracebackType
from typing import Any

from django.apps import apps
from django.db import connections
from django.dispatch import Signal

from signalscope.conf import NOISE, get_conf
from signalscope.exceptions import CannotInstrument, UnknownSignal
from signalscope.instrument.patch import Patch
from signalscope.recorder import strands
from signalscope.recorder.blocks import Block
from signalscope.recorder.buffer import Buffer
from signalscope.recorder.commands import CommandTraces
from signalscope.recorder.hooks import Told, make_hooks
from signalscope.recorder.plans import PLANS, Hook, Planner
from signalscope.recorder.queries import QueryWatcher
from signalscope.recorder.recorder import SPILL_LENGTH, Recorder
from signalscope.recorder.rollups import Rollups
from signalscope.recorder.traces import Trace
from signalscope.recorder.transactions import READERS
from signalscope.recorder.writer import Writer
from signalscope.registry.signals import registry

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


def is_discarding() -> bool:
    """
    Tell whether what is recorded is dropped.

    So it is in a test run, unless the setting asks for it, and in commands without a database.
    """
    if not _STORES_NOTHING:
        # Once per trace. Django's setup_test_environment() puts an outbox there.
        mail = sys.modules.get("django.core.mail")
        if mail is None or "outbox" not in mail.__dict__:
            return False
    return not get_conf().store_in_tests


CONNECTION_CREATED = "django.db.backends.signals.connection_created"


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
        self.query_watcher = QueryWatcher(self.recorder.spill, SPILL_LENGTH)
        self._hooks.update(make_hooks(self.recorder, on_setting=self._setting_changed))
        self.patch = Patch()
        self.writer: Writer | None = None
        # Why Signal is not instrumented, where it should be.
        self.problem = ""
        self.configure()

    def configure(self) -> None:
        """Take over the settings, also when they change while running."""
        conf = get_conf()
        self.recorder.sample_rate = conf.effective_sample_rate
        self.recorder.trace_limit = conf.max_trace_dispatches
        self.buffer.max_bytes = conf.buffer_bytes
        if self.writer is not None:
            self.writer.interval_s = conf.effective_flush_interval_s
            self.writer.exit_timeout_s = conf.exit_timeout_s
            self.writer.sink.alias = conf.database
            # A test database cannot be dropped while somebody is connected to it.
            self.writer.keeps_connection = not conf.store_in_tests
        if conf.captures_sql and self.patch.is_installed:
            self._hooks[CONNECTION_CREATED] = Told(self._connection_created, "connection")
            self.query_watcher.watch(connections.all(initialized_only=True))
        else:
            # Connections may be made for each request: where nobody asks, nothing is done.
            self._hooks.pop(CONNECTION_CREATED, None)
            self.query_watcher.unwatch(connections.all(initialized_only=True))
        # Last, since it makes all plans anew.
        self.planner.choose(include=conf.include, exclude=(*NOISE, *conf.exclude))

    def install(self) -> None:
        """Instrument Signal; where that cannot be done, say why in ``problem``."""
        # Changes of settings are not seen while nothing is instrumented.
        get_conf.cache_clear()
        commands = CommandTraces(self.recorder)
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

    def make_writer(self) -> None:
        """Build the writer, which needs models: when the apps are ready."""
        # The one import that cannot stand at the top: it needs models.
        from signalscope.sinks.database import DatabaseSink

        if self.writer is None:
            conf = get_conf()
            self.writer = Writer(
                self.recorder,
                DatabaseSink(conf.database),
                interval_s=conf.effective_flush_interval_s,
                exit_timeout_s=conf.exit_timeout_s,
                is_discarding=is_discarding,
                may_lack_tables=_COMMAND in _MIGRATING,
            )

    def after_fork(self) -> None:
        """Begin anew in a forked child: what is held belongs to the parent."""
        PLANS.clear()
        strands.LOOSE.clear()
        self.recorder.forget()
        if self.writer is not None:
            self.writer.forget()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            # A child of multiprocessing ends without atexit; it forgets what was registered
            # before it began, so this is done when it begins.
            util.register_after_fork(
                self, lambda scope: util.Finalize(None, scope.stop, exitpriority=100)
            )

    def stop(self) -> None:
        """Store what is left, as the process ends."""
        if self.writer is not None:
            self.recorder.abandon_open_traces()
            self.writer.stop()

    def _start_writer(self) -> None:
        # Not while apps are loading: Django warns of queries then, and tables may be unknown.
        if self.writer is not None and apps.ready:
            self.writer.start()

    def _connection_created(self, connection: Any) -> None:
        if self.patch.is_installed:
            self.query_watcher.watch([connection])

    def _setting_changed(self, setting: object) -> None:
        if setting in ("SIGNALSCOPE", "DEBUG"):
            get_conf.cache_clear()
            self.configure()


_scope: Scope | None = None


def scope() -> Scope:
    """Return the parts of this process, built at the first call."""
    global _scope  # noqa: PLW0603
    if _scope is None:
        _scope = Scope()
        os.register_at_fork(after_in_child=_scope.after_fork)
        atexit.register(_scope.stop)
    return _scope


def prepare() -> None:
    """Begin to record as early as the app is known, so that class_prepared is seen."""
    if get_conf().enabled:
        scope().install()


def start() -> None:
    """Go on once all models are there; nothing happens when this is called again."""
    if not get_conf().enabled:
        return
    try:
        registry.register_paths(get_conf().signals)
    except UnknownSignal:
        # A system check says which.
        pass
    install()
    scope().make_writer()


def install() -> None:
    """Instrument django.dispatch.Signal, if that is not done already."""
    scope().install()


def uninstall() -> None:
    """
    Take the instrumentation off Signal.

    What another library put there since stays. What was recorded is stored as usual.
    """
    scope().uninstall()


def is_installed() -> bool:
    """Tell whether dispatches are being recorded."""
    return _scope is not None and _scope.patch.is_installed


def register(signal: Signal, *, name: str) -> None:
    """
    Give a signal a dotted name, where it is no attribute of an installed app's module.

    Raises TypeError when it is no Signal, ValueError when the name is empty or taken.
    """
    registry.register(signal, name)
    PLANS.clear()


def unregister(signal: Signal) -> bool:
    """Forget the name given to a signal; return whether it had one."""
    PLANS.clear()
    return registry.unregister(signal)


def flush(timeout: float | None = None) -> bool:
    """
    Store what was recorded so far; return True when all of it is stored.

    timeout: s to wait at most; None waits as long as it takes. In a test run nothing is stored,
    and the answer is False, unless STORE_IN_TESTS says otherwise.
    """
    writer = scope().writer
    return writer is not None and writer.flush(timeout)


class trace(Block):  # noqa: N801
    """
    Record what is dispatched in a block, or in a function, as one trace.

    name: what the trace is called, such as "nightly import".
    A trace inside another one is a trace of its own; inside suppress() nothing is recorded.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"name is {name!r}; give the trace a name, as text")
        self.name = name
        self._traces: list[Trace | None] = []

    def __enter__(self) -> None:
        self._traces.append(scope().recorder.open_trace("block", self.name))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened = self._traces.pop()
        if opened is not None and kind is not None:
            opened.status = "error"
        scope().recorder.close_trace(opened)

    def again(self) -> trace:
        """Return another one like this."""
        return trace(self.name)


class suppress(Block):  # noqa: N801
    """Do not record what is dispatched in a block, or in a function, and in what it awaits."""

    def __init__(self) -> None:
        self._tokens: list[Token[strands.Strand | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(strands.CURRENT.set(strands.Strand(strands.DISCARD)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        strands.CURRENT.reset(self._tokens.pop())

    def again(self) -> suppress:
        """Return another one like this."""
        return suppress()
