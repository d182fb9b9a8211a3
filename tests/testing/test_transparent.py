"""With a capture open each question about a dispatch has the answer that it has without one."""

import pytest

from signalscope.testing import capture
from tests.transparency.test_contract import METHODS, QUESTIONS

# A capture keeps what was sent, for a test to look at: these ask whether somebody does.
LIFETIMES = {"question_collectable", "question_references"}


@pytest.mark.parametrize("caching", [False, True], ids=["plain", "cached"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "question",
    [question for question in QUESTIONS if question.__name__ not in LIFETIMES],
    ids=lambda function: function.__name__[9:],
)
def test_answers_are_the_same(question, method, caching):
    """Responses, errors, order, stack, contexts and threads are as without a capture."""
    without = question(method, caching)
    with capture():
        captured = question(method, caching)
    assert captured == without
