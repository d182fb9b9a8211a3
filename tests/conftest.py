"""What every test starts and ends with."""

import pytest
from django.dispatch import Signal

from signalscope.core import faults
from signalscope.recorder import strands
from signalscope.registry import builtin
from tests.shop import signals as shop_signals


def _watched_signals():
    yield from (signal for _, signal in builtin.loaded())
    yield from (value for value in vars(shop_signals).values() if isinstance(value, Signal))


@pytest.fixture(autouse=True)
def no_faults():
    """signalscope's own faults never reach the project, but they fail the tests."""
    faults.caught = []
    faults.reset()
    yield
    caught, faults.caught = faults.caught, None
    if caught:
        raise caught[0]


@pytest.fixture(autouse=True)
def receivers_as_found():
    """A test leaves the connected receivers, and the strand of its thread, as it found them."""
    before = {id(signal): len(signal.receivers) for signal in _watched_signals()}
    strands.LOOSE.clear()
    yield
    after = {id(signal): len(signal.receivers) for signal in _watched_signals()}
    assert {key: after[key] for key in before} == before
    assert strands.CURRENT.get() is None
    assert strands.loose_strands.strand.top is strands.LOOSE
