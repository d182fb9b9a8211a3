"""Prices with their history, and mails to who subscribed, as a person sees them."""

import pytest

from tests.browser.walk import check_looks

pytestmark = pytest.mark.parametrize("scheme", ["dark"])


def set_price(page, price):
    """Set the price of the tea tin; return the history in its row, a line for each change."""
    page.goto("/prices/")
    row = page.locator("tr", has_text="Tea tin")
    row.get_by_label("New price of Tea tin").fill(price)
    row.get_by_role("button", name="Set").click()
    page.get_by_text(f"Tea tin costs {float(price):.2f} €.").wait_for()
    return row.locator("td").nth(1).inner_text().splitlines()


def mail_count(page, body):
    """Return how many mails have a text."""
    page.goto("/mailbox/")
    return page.locator("article", has_text=body).count()


def test_price(page):
    """A new price is in the history and mailed to the subscriber; the same price is not."""
    page.goto("/prices/")
    row = page.locator("tr", has_text="Tea tin")
    row.get_by_role("button", name="Subscribe", exact=True).click()
    page.get_by_text("You get a mail when the price of Tea tin changes.").wait_for()
    told = "Tea tin was 9.50 € and is 8.40 € now."
    before = mail_count(page, told)

    changes = set_price(page, "8.4")
    assert changes[0].startswith("9.50 → 8.40 €")
    check_looks(page)
    assert set_price(page, "8.40") == changes
    assert mail_count(page, told) == before + 1

    page.goto("/prices/")
    row.get_by_role("button", name="Unsubscribe").click()
    page.get_by_text("You get no more mails about Tea tin.").wait_for()
    # As it was, for the test in the other scheme.
    assert set_price(page, "9.5")[0].startswith("8.40 → 9.50 €")
    assert mail_count(page, "Tea tin was 8.40 €") == 0


def test_wrong_price(page):
    """A browser does not send a price below nothing."""
    page.goto("/prices/")
    field = page.get_by_label("New price of Tea tin")
    field.fill("-1")
    page.locator("tr", has_text="Tea tin").get_by_role("button", name="Set").click()
    assert field.evaluate("(input) => input.validity.rangeUnderflow")
