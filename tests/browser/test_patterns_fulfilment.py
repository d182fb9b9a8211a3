"""An order that is paid and shipped, and one that is cancelled and refunded, as people do it."""

import pytest

from tests.browser.walk import check_looks, reload_until

pytestmark = pytest.mark.parametrize("scheme", ["light"])


def order_and_pay(page):
    """Order a tea and pay for it; return what the order is called."""
    page.goto("/products/assam/")
    page.get_by_role("button", name="Order this").click()
    page.get_by_text("Thank you for your order.").wait_for()
    page.get_by_role("button", name="Pay 6.90 €").click()
    page.get_by_text("is paid. Your points were added.").wait_for()
    return page.locator("h1").inner_text().split(" Paid")[0]


def steps(page):
    """Return the steps in an order's log, with who took them and with what."""
    rows = [row.inner_text().split("\t") for row in page.locator("table.log tbody tr").all()]
    return [(row[0], row[2], row[4]) for row in rows]


def test_ship(page):
    """A paid order is shipped from the desk; its page shows each step, and the mails are sent."""
    name = order_and_pay(page)
    page.get_by_role("link", name="Desk").click()
    check_looks(page)
    page.locator("tr", has_text=name).get_by_role("button", name="Ship").click()
    page.get_by_text(f"{name} is shipped.").wait_for()
    assert steps(page) == [
        ("Placed", "demo", "Chrome"),
        ("Placed → Paid", "demo", "Chrome"),
        ("Paid → Shipped", "demo", "Chrome"),
    ]
    check_looks(page)
    mail = page.get_by_role("heading", name=f"Your parcel is on its way ({name})")
    page.goto("/mailbox/")
    reload_until(page, mail)
    assert page.get_by_role("heading", name=f"Thank you ({name})").count()


def test_cancel_and_refund(page):
    """A paid order is cancelled on its page, and cannot be shipped any more."""
    name = order_and_pay(page)
    page.get_by_role("button", name="Cancel and refund").click()
    page.get_by_text(f"{name} is cancelled.").wait_for()
    assert steps(page)[-1] == ("Paid → Cancelled", "demo", "Chrome")
    assert not page.get_by_role("button", name="Ship").count()
    check_looks(page)
    page.goto("/ledger/")
    booked = page.locator("tr", has_text=name)
    reload_until(page, booked, 2)
    amounts = [row.inner_text().split("\t")[-1] for row in booked.all()]
    assert sorted(amounts) == ["-6.90 €", "6.90 €"]
