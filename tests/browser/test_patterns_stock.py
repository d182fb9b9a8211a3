"""An item that runs low, is told of once, and is refilled, as a person sees it."""

import pytest

from tests.browser.walk import check_looks

pytestmark = pytest.mark.parametrize("scheme", ["light"])


def items(page):
    """Return the row of the kettle, of which there are six when nothing is low."""
    return page.locator("table").first.locator("tr", has_text="Cast-iron kettle")


def notices(page):
    """Return what is told of the kettle: of how many, by whom not acted upon, and if refilled."""
    rows = page.locator("table").nth(1).locator("tbody tr", has_text="Cast-iron kettle").all()
    cells = [row.inner_text().split("\t")[1:] for row in rows]
    return [[what, failure, refilled != "not yet"] for what, failure, refilled in cells]


def move(page, button, amount):
    """Take kettles from the stock, or add some."""
    items(page).get_by_label("How many of Cast-iron kettle").fill(str(amount))
    items(page).get_by_role("button", name=button).click()
    page.get_by_text("x Cast-iron kettle now.").wait_for()


def test_stock(page):
    """A kettle less is told, another one is not; the supplier's failure stands with the notice."""
    page.goto("/stock/")
    before = notices(page)
    told = ["Only 5 x Cast-iron kettle", "No answer when ordering more of Cast-iron kettle.", False]
    move(page, "Take", 1)
    assert notices(page) == [told, *before]
    assert "low" in items(page).inner_text()
    move(page, "Take", 1)
    assert notices(page) == [told, *before]
    check_looks(page)

    move(page, "Add", 2)
    told[2] = True
    assert notices(page) == [told, *before]
    assert "low" not in items(page).inner_text()


def test_stock_in_bulk(page):
    """One statement takes from everything and is heard as well, and so is a refill."""
    page.goto("/stock/")
    before = notices(page)
    page.get_by_role("button", name="Take five of everything").click()
    page.get_by_text("Took five of 8 products.").wait_for()
    assert notices(page)[0][0] == "Only 1 x Cast-iron kettle"
    page.get_by_role("button", name="Refill what is low").click()
    page.get_by_text("Refilled 1 products.").wait_for()
    assert [refilled for *_, refilled in notices(page)] == [True, *(True for _ in before)]
    move(page, "Take", 6)


def test_too_many(page):
    """More than there are cannot be taken."""
    page.goto("/stock/")
    items(page).get_by_label("How many of Cast-iron kettle").fill("99")
    items(page).get_by_role("button", name="Take").click()
    page.get_by_text("There are only 6 of Cast-iron kettle left.").wait_for()
    check_looks(page)
