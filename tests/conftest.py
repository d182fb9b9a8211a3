"""What every test starts and ends with."""

import pytest

from signalscope.core import faults
from signalscope.recorder import strands
from signalscope.recorder.gate import MUTES, OPEN_MUTES
from signalscope.registry.receivers import all_receivers


@pytest.fixture(autouse=True)
def no_faults():
    """signalscope's own faults never reach the project, but they fail the tests."""
    faults.caught = []
    faults.reset()
    yield
    caught, faults.caught = faults.caught, None
    if caught:
        raise caught[0]


def _connected_by_tests():
    return sorted(
        f"{info.signal} {info.receiver}"
        for info in all_receivers()
        if info.receiver.startswith("tests.")
    )


@pytest.fixture(autouse=True)
def receivers_as_found():
    """A test leaves no receiver connected, no mute open, and its thread's strand as it was."""
    before = _connected_by_tests()
    # A decorated test class has one open.
    open_mutes = set(OPEN_MUTES)
    strands.LOOSE.clear()
    yield
    assert _connected_by_tests() == before
    assert strands.CURRENT.get() is None
    assert strands.loose_strands.strand.top is strands.LOOSE
    assert open_mutes == OPEN_MUTES
    assert {id(mute) for mute in MUTES.get() if mute.is_open} <= OPEN_MUTES
