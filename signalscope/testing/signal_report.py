"""What pytest's --signal-report shows: the slowest receivers of the run, and what never ran."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

# The widest line, as a terminal has it.
WIDTH = 79
MAX_SLOWEST = 10
MAX_NEVER_RUN = 50
# Of names, as of plans, there may be so many; what comes later is counted, not told apart.
MAX_KEYS = 10_000
_WORKER_OUTPUT = "signalscope_report"

# signal, sender, receiver
_Key = tuple[str, str, str]


class SignalReport:
    """Counts the calls of a test run, and shows them at its end; of all of xdist's workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lock = threading.RLock()
        # calls, total and longest, in ns
        self._figures: dict[_Key, list[int]] = {}
        # Connected at the end of the run: signal, sender, receiver and place.
        self._connected: set[tuple[str, str, str, str]] = set()
        self._left_out_count = 0
        self._is_counting = False
        self._problem = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin to count: by now Django is set up, and the project's receivers are connected."""
        self._problem = _why_not()
        if not self._problem:
            from signalscope import wiring

            planner = wiring.scope().planner
            planner.watchers.append(self._find_watch)
            planner.make_anew()
            self._is_counting = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """See who is connected; a worker of xdist sends all that to where it is shown."""
        if self._is_counting:
            self._stop()
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_WORKER_OUTPUT] = {
                "figures": [[*key, *figures] for key, figures in self._figures.items()],
                "connected": [list(one) for one in self._connected],
                "left_out_count": self._left_out_count,
                "problem": self._problem,
            }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Add what a worker of xdist has counted; one that crashed has sent nothing."""
        told = getattr(node, "workeroutput", {}).get(_WORKER_OUTPUT)
        if told is None:
            return
        self._problem = told["problem"]
        self._left_out_count += told["left_out_count"]
        self._connected |= {tuple(one) for one in told["connected"]}
        for signal, sender, receiver, *figures in told["figures"]:
            self._add((signal, sender, receiver), *figures)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the report."""
        terminalreporter.section("signals")
        for line in self._lines():
            terminalreporter.write_line(line)

    def _find_watch(self, plan: Any) -> Any:
        return None if plan.signal.startswith("signalscope.") else self._look

    def _look(self, record: list[Any]) -> None:
        from signalscope.control.outcomes import ERROR, OK, ended_calls

        plan = record[0]
        for index, duration_ns, outcome in ended_calls(record):
            if outcome in (OK, ERROR):
                key = plan.signal, plan.sender_label, plan.receivers[index]
                self._add(key, 1, duration_ns, duration_ns)

    def _add(self, key: _Key, count: int, total_ns: int, max_ns: int) -> None:
        with self._lock:
            figures = self._figures.get(key)
            if figures is None:
                if len(self._figures) >= MAX_KEYS:
                    self._left_out_count += count
                    return
                figures = self._figures[key] = [0, 0, 0]
            figures[0] += count
            figures[1] += total_ns
            figures[2] = max(figures[2], max_ns)

    def _stop(self) -> None:
        from signalscope import wiring
        from signalscope.conf import NOISE, get_conf
        from signalscope.core.names import is_of
        from signalscope.registry.receivers import COLLECTED, all_receivers
        from signalscope.stats.coverage import is_recorded

        planner = wiring.scope().planner
        planner.watchers = [find for find in planner.watchers if find != self._find_watch]
        planner.make_anew()
        conf = get_conf()
        self._connected = {
            (info.signal, info.sender, info.receiver, info.place)
            for info in all_receivers()
            if info.receiver != COLLECTED
            # Of what is no part of the project.
            and not is_of(info.receiver, "django", "signalscope")
            and is_recorded(info, conf.include, (*NOISE, *conf.exclude))
        }

    def _lines(self) -> Iterator[str]:
        if self._problem:
            yield from _wrapped(self._problem)
            return
        yield from self._slowest()
        yield ""
        yield from self._never_run()
        if self._left_out_count:
            yield ""
            yield f"{self._left_out_count} calls of further receivers are not counted."

    def _slowest(self) -> Iterator[str]:
        by_receiver: dict[str, list[int]] = {}
        for (_, _, receiver), (count, total_ns, max_ns) in self._figures.items():
            figures = by_receiver.setdefault(receiver, [0, 0, 0])
            figures[0] += count
            figures[1] += total_ns
            figures[2] = max(figures[2], max_ns)
        if not by_receiver:
            yield "No receiver was called in this run."
            return
        ranked = sorted(by_receiver.items(), key=lambda item: (-item[1][1], item[0]))
        shown = ranked[:MAX_SLOWEST]
        yield f"slowest receivers, {len(shown)} of {len(ranked)}"
        yield _row("receiver", "calls", "total", "max")
        for receiver, (count, total_ns, max_ns) in shown:
            yield _row(receiver, str(count), _duration(total_ns), _duration(max_ns))

    def _never_run(self) -> Iterator[str]:
        never = sorted(one for one in self._connected if not self._has_run(*one[:3]))
        if not never:
            yield "Each connected receiver was called."
            return
        yield f"receivers that no test ever ran, {len(never)} of {len(self._connected)}"
        for signal, sender, receiver, place in never[:MAX_NEVER_RUN]:
            yield _cut(receiver, WIDTH)
            heard = f"{signal.rpartition('.')[2]} of {sender or 'any sender'}"
            yield _cut(f"    {heard}{f', {self._relative(place)}' if place else ''}", WIDTH)
        if len(never) > MAX_NEVER_RUN:
            yield f"and {len(never) - MAX_NEVER_RUN} more"

    def _has_run(self, signal: str, sender: str, receiver: str) -> bool:
        if sender and (signal, sender, receiver) in self._figures:
            return True
        from signalscope.registry.receivers import UNKNOWN

        return sender in ("", UNKNOWN) and any(
            (signal, receiver) == (key[0], key[2]) for key in self._figures
        )

    def _relative(self, place: str) -> str:
        return place.removeprefix(f"{self._config.rootpath}/")


def _is_set_up() -> bool:
    from django.apps import apps

    return apps.ready


def _why_not() -> str:
    """Return why there is nothing to report, and what to do; "" where there is."""
    if not _is_set_up():
        return (
            "Nothing to report: Django is not set up. Install pytest-django and set "
            "DJANGO_SETTINGS_MODULE, or call django.setup() in conftest.py."
        )
    from django.apps import apps

    if not apps.is_installed("signalscope"):
        return 'Nothing to report: "signalscope" is not in INSTALLED_APPS.'
    from signalscope import wiring

    return wiring.why_off()


def _row(receiver: str, calls: str, total: str, longest: str) -> str:
    return f"{_cut(receiver, 49):<49} {calls:>9} {total:>9} {longest:>9}"


def _cut(text: str, width: int) -> str:
    """Return a text without its beginning where it is too long: names differ at their ends."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= WIDTH:
            yield line
            line = ""
        line = f"{line} {word}".strip()
    yield line


def _duration(ns: int) -> str:
    from signalscope.formatting import duration

    return duration(ns)
