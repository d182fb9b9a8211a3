"""What every test starts and ends with."""

import pytest

from signalscope.core import faults
from signalscope.recorder import strands
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
    """A test leaves no receiver connected, and the strand of its thread as it found it."""
    before = _connected_by_tests()
    strands.LOOSE.clear()
    yield
    assert _connected_by_tests() == before
    assert strands.CURRENT.get() is None
    assert strands.loose_strands.strand.top is strands.LOOSE
