"""A payment that reaches the ledger although that does not answer at first."""

import pytest

from tests.browser.walk import check_looks, reload_until

pytestmark = pytest.mark.parametrize("scheme", ["dark"])


def test_ledger(page):
    """A payment waits while the service does not answer, and is booked once when it does."""
    page.goto("/ledger/")
    page.get_by_role("button", name="Stop the service").click()
    page.get_by_text("The service does not answer").wait_for()

    page.goto("/products/assam/")
    page.get_by_role("button", name="Order this").click()
    page.get_by_role("button", name="Pay 6.90 €").click()
    page.get_by_text("is paid. Your points were added.").wait_for()
    name = page.locator("h1").inner_text().split(" Paid")[0]

    page.goto("/ledger/")
    waiting = page.locator("tr", has_text="LedgerUnavailable")
    reload_until(page, waiting)
    check_looks(page)
    assert page.locator("tr", has_text=name).count() == 0

    page.get_by_role("button", name="Let the service answer again").click()
    page.get_by_role("button", name="Stop the service").wait_for()
    waiting.get_by_role("button", name="Try now").click()
    page.get_by_text("Delivered: done 1.").wait_for()
    assert page.locator("tr", has_text=name).count() == 1
    assert waiting.count() == 0
    page.get_by_role("button", name="Run the worker once").click()
    page.get_by_text("Delivered: nothing.").wait_for()
    assert page.locator("tr", has_text=name).count() == 1
    check_looks(page)
