"""Many saves that lead to few index updates, as a person sees it."""

import pytest

from tests.browser import look

pytestmark = pytest.mark.parametrize("scheme", ["light", "dark"])


def number(page, key):
    """Return one of the numbers on the page."""
    return int(page.locator(f"#{key}").inner_text())


def test_search(page):
    """What is saved is indexed by itself after a while, or at once, and then found."""
    page.goto("/search/")
    changes, updates = number(page, "changes"), number(page, "updates")
    page.get_by_role("button", name="Save all products three times").click()
    page.get_by_text("8 products were saved three times each.").wait_for()
    # The page loads itself again until nothing waits.
    page.locator("#waiting", has_text="0").wait_for()
    assert number(page, "changes") == changes + 24
    assert number(page, "updates") == updates + 8
    newest = page.locator("#batches tbody tr").first
    assert newest.inner_text().split("\t")[1:] == ["24", "8"]
    look.check(page)

    page.get_by_role("button", name="Save all products three times").click()
    page.get_by_text("8 products were saved three times each.").wait_for()
    page.get_by_role("button", name="Reindex now").click()
    page.get_by_text("wait", exact=False).first.wait_for()
    assert number(page, "waiting") == 0
    assert number(page, "updates") == updates + 16

    page.get_by_label("Words").fill("GREEN steamed")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Sencha, 100 g").wait_for()
    page.get_by_role("heading", name="1 found").wait_for()
    look.check(page)
