"""A cached price list that is stale and made anew, as a person sees it."""

import pytest

from tests.browser.walk import check_looks

pytestmark = pytest.mark.parametrize("scheme", ["light"])


def prices(page):
    """Return the cached and the stored price of the tea tin, in cents."""
    cells = page.locator("tr", has_text="Tea tin").locator("td").all()
    texts = [cell.inner_text().replace("stale", "").replace("€", "") for cell in cells]
    return [round(float(text) * 100) for text in texts]


def test_price_list(page):
    """What is not heard makes the list stale; save() and update() with signals make it fresh."""
    page.goto("/price-list/")
    page.get_by_role("heading", name="Price list fresh").wait_for()
    cached, stored = prices(page)
    assert cached == stored
    for button in ("by save()", "by update() with signals"):
        page.get_by_label("Make dearer by 0.10 €").select_option("Tea tin")
        page.get_by_role("button", name="by update() without signals").click()
        page.get_by_role("heading", name="Price list stale").wait_for()
        assert prices(page) == [cached, stored + 10]
        check_looks(page)
        page.get_by_label("Make dearer by 0.10 €").select_option("Tea tin")
        page.get_by_role("button", name=button).click()
        page.get_by_role("heading", name="Price list fresh").wait_for()
        cached = stored = stored + 20
        assert prices(page) == [cached, stored]
    check_looks(page)
