"""What a person does and notices on any page of the example shop."""

import time

from tests.browser import look

TIMEOUT_S = 30


def check_looks(page):
    """Everything on the page can be read, and nothing is cut off at its side."""
    for part in page.locator("header, main, footer").all():
        assert part.evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)


def reload_until(page, locator, count=1):
    """Load a page anew until something is there so often: a worker or the writer sees to it."""
    deadline = time.monotonic() + TIMEOUT_S
    while locator.count() < count:
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(100)
        page.reload()
