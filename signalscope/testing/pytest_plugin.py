"""
The plugin of pytest, which does nothing until a test or the command line asks for it.

Only pytest is imported here: pytest loads this file in every run, before Django is set up and
before anybody measures which lines are run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from signalscope.testing.captured import capture
    from signalscope.testing.deliveries import Delivered

MARKER = "mute_signals"
_MUTED = "_signalscope_muted"
# These begin before other fixtures of a test, whose dispatches they are about, too.
_FIRST = (_MUTED, "run_deliveries")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --signal-report."""
    parser.getgroup("signalscope").addoption(
        "--signal-report",
        action="store_true",
        help="show at the end which receivers took the most time, and which no test ever ran",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and the report where it is asked for."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*targets, receiver=None, sender=None, dispatch_uid=None, family=None, "
        "all=False): call no receivers of these signals, or these receivers, in the test and its "
        "fixtures. Targets are signals, receivers, names and globs.",
    )
    if config.getoption("--signal-report"):
        from signalscope.testing.signal_report import SignalReport

        config.pluginmanager.register(SignalReport(config), "signalscope_report")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what is about other fixtures begin before them."""
    for item in items:
        names: list[str] = getattr(item, "fixturenames", [])
        for first in _FIRST:
            if first in names:
                names.remove(first)
            elif first != _MUTED or item.get_closest_marker(MARKER) is None:
                continue
            names.insert(_first_of_function(item, names), first)


def _first_of_function(item: pytest.Item, names: list[str]) -> int:
    """Return the place behind the fixtures that several tests share."""
    found: dict[str, Any] = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    for place, name in enumerate(names):
        if name == "request" or (name in found and found[name][-1].scope == "function"):
            return place
    return len(names)


@pytest.fixture
def signalscope_capture() -> Iterator[capture]:
    """
    All that is sent until the test ends: a signalscope.testing.capture() that is open.

    What other fixtures send is there where these stand behind it.
    """
    from signalscope.testing.captured import capture

    with capture() as seen:
        yield seen


@pytest.fixture
def mute_signals() -> Iterator[Callable[..., None]]:
    """
    A function that mutes signals and receivers from its call to the end of the test.

    It takes signals, receivers and names, keywords as signalscope.mute() has them, and all=True:
    mute_signals("shop.receivers.sync_crm").
    """
    with ExitStack() as stack:

        def mute(*targets: Any, **keywords: Any) -> None:
            stack.enter_context(_mute(targets, keywords))

        yield mute


@pytest.fixture
def run_deliveries() -> Iterator[Callable[..., list[Delivered]]]:
    """
    A function that runs what the test has put off so far, and returns what ran.

    From the beginning of the test to its end, nothing else runs it. Errors are raised;
    run_deliveries(raise_errors=False) returns them.
    """
    from signalscope.testing import hold_deliveries

    with hold_deliveries() as deliveries:
        yield deliveries.run


@pytest.fixture(name=_MUTED)
def muted(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the marker mutes: those of the test, its class and its module together."""
    with ExitStack() as stack:
        for marker in request.node.iter_markers(MARKER):
            mute = _mute(marker.args, marker.kwargs)
            mute.text = f"mark.{MARKER} of {request.node.nodeid}"
            stack.enter_context(mute)
        yield


def _mute(targets: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    from signalscope.testing import mute_signals

    others = dict(keywords)
    if others.pop("all", False):
        if targets or others:
            raise TypeError("mute_signals(all=True) mutes all; leave the other arguments out")
        return mute_signals(signal="*")
    if not (targets or others):
        raise TypeError(
            "mute_signals was given nothing; give signals, receivers or their names, or all=True "
            "to mute every receiver, Django's own included"
        )
    return mute_signals(*targets, **others)
