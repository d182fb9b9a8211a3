"""A bundle whose parts are changed, as a person sees it."""

import pytest

from tests.browser.walk import check_looks

pytestmark = pytest.mark.parametrize("scheme", ["dark"])


def save(page):
    """Save the parts; return what the page says of it."""
    page.get_by_role("button", name="Save the parts").click()
    return page.locator(".messages").inner_text()


def test_bundle(page):
    """However many parts are changed at once, the bundle is updated once."""
    page.goto("/bundles/")
    check_looks(page)
    page.get_by_label("Name").fill(f"Tea for {page.viewport_size['width']}")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("heading", name="Parts").wait_for()
    for number, product in enumerate(("Assam, 100 g", "Tea tin", "Stoneware cup")):
        row = page.locator("tbody tr").nth(number)
        row.get_by_role("combobox").select_option(product)
        row.get_by_role("spinbutton").fill("1")
    assert save(page) == "Parts changed: 3. Updates of the bundle: 1."
    check_looks(page)

    for number in range(2):
        page.locator("tbody tr").nth(number).get_by_role("spinbutton").fill("2")
    page.locator("tbody tr").nth(2).get_by_role("checkbox").check()
    assert save(page) == "Parts changed: 3. Updates of the bundle: 1."
    assert save(page) == "Parts changed: 0. Updates of the bundle: 0."
    assert page.locator("dd").nth(1).inner_text() == "2 times"

    page.get_by_role("link", name="All bundles").click()
    row = page.locator("tr", has_text="2 x Assam, 100 g; 2 x Tea tin").first
    assert row.inner_text().split("\t")[-1] == "2 times"


def test_nothing_of_a_part(page):
    """A part of no pieces is refused, and the page says so."""
    page.goto("/bundles/")
    page.get_by_label("Name").fill("Nothing")
    page.get_by_role("button", name="Make it").click()
    row = page.locator("tbody tr").first
    row.get_by_role("combobox").select_option("Tea tin")
    row.get_by_role("spinbutton").fill("0")
    page.get_by_role("button", name="Save the parts").click()
    page.get_by_text("Ensure this value is greater than or equal to 1.").wait_for()
    check_looks(page)
