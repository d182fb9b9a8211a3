"""Alerts and the guard of their webhook, as a person sees it."""

import time

import pytest

from tests.browser import look

TIMEOUT_S = 30


pytestmark = pytest.mark.parametrize("scheme", ["light"])


def raise_alert(page, text):
    """Raise an alert, and return its line once the page shows it."""
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Raise an alert").click()
    page.get_by_text("The alert is raised.").wait_for()
    return page.locator("#raised tbody tr", has_text=text).first


def is_posted(line):
    """Tell whether an alert was posted."""
    return line.locator(".status").inner_text() != "no"


def notes(page, state):
    """Return how many notes of the page say that the guard is in a state."""
    return page.locator("#raised td", has_text=f"The guard of the webhook is {state}:").count()


def test_guard(page):
    """A webhook that fails is left alone; one alert tries it, and closes the guard."""
    page.goto("/patterns/")
    page.get_by_role("link", name="Alerts with a guard").click()
    page.get_by_role("button", name="Post there").click()
    page.get_by_text("Alerts are posted there from now on.").wait_for()
    assert is_posted(raise_alert(page, "The kettle boils over"))
    page.locator("#arrived li", has_text="warning: The kettle boils over").first.wait_for()
    opened, closed = notes(page, "open"), notes(page, "closed")

    page.get_by_role("button", name="Let the inbox fail").click()
    page.get_by_text("out of order").wait_for()
    deadline = time.monotonic() + TIMEOUT_S
    while notes(page, "open") == opened:
        assert time.monotonic() < deadline
        assert not is_posted(raise_alert(page, "Nobody hears this"))
    look.check(page)

    page.get_by_role("button", name="Let the inbox work again").click()
    page.get_by_text("working", exact=True).wait_for()
    # The inbox works, and is left alone all the same.
    assert not is_posted(raise_alert(page, "Nor this"))
    deadline = time.monotonic() + TIMEOUT_S
    while notes(page, "closed") == closed:
        assert time.monotonic() < deadline
        page.wait_for_timeout(500)
        raised = raise_alert(page, "Is anybody there")
    assert is_posted(raised)
    assert notes(page, "half open") > 0
    page.locator("#arrived li", has_text="Is anybody there").first.wait_for()
    assert page.locator("#arrived li", has_text="Nobody hears this").count() == 0
    look.check(page)
