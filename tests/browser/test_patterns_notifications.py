"""A customer follows a product; the keeper changes it in another browser."""

from uuid import uuid4

import pytest

from tests.browser import look
from tests.browser.walk import log_in, open_page


@pytest.fixture(params=["light", "dark"])
def pages(request, browser, base_url):
    """Pages of a customer and of the shop keeper; their troubles fail the test."""
    anna, troubles = open_page(browser, base_url, request.param)
    sign_up(anna, f"follower-{uuid4().hex[:6]}")
    keeper, troubles_of_keeper = open_page(browser, base_url, request.param)
    log_in(keeper)
    yield anna, keeper
    anna.context.close()
    keeper.context.close()
    assert troubles + troubles_of_keeper == []


def sign_up(page, name):
    """Sign up as a new customer."""
    page.goto("/accounts/sign-up/")
    page.fill("#id_username", name)
    page.fill("#id_email", f"{name}@example.com")
    page.fill("#id_password1", "tea-at-five")
    page.fill("#id_password2", "tea-at-five")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Log out").wait_for()


def change_price(page, product, price):
    """Change the price of a product on the page of notifications."""
    page.get_by_label(f"Price of {product}").fill(price)
    page.locator("li", has_text=product).get_by_role("button", name="Change").click()
    page.get_by_text(f"{product} costs {price} € now.").wait_for()


def test_notifications(pages):
    """Both follow; only the customer, who changed nothing, is told, and marks it as read."""
    anna, keeper = pages
    anna.goto("/")
    anna.get_by_role("link", name="Notifications", exact=True).click()
    anna.get_by_text("Nothing yet.").wait_for()
    look.check(anna)
    keeper.goto("/notifications/")
    for page in pages:
        row = page.locator("#rooibos")
        row.get_by_role("button", name="Follow", exact=True).click()
        row.get_by_role("button", name="Unfollow").wait_for()
    change_price(keeper, "Rooibos, 100 g", "5.10")
    change_price(keeper, "Rooibos, 100 g", "4.80")
    assert keeper.get_by_text("→").count() == 0
    look.check(keeper)

    anna.goto("/")
    anna.get_by_title("2 unread").click()
    anna.get_by_text("Price: 4.80 → 5.10").wait_for()
    look.check(anna)
    back = anna.locator("li", has_text="Price: 5.10 → 4.80")
    back.get_by_role("button", name="Mark as read").click()
    anna.get_by_title("1 unread").wait_for()
    assert back.get_by_text("Read", exact=True).is_visible()
    anna.get_by_role("button", name="Mark all as read").click()
    anna.get_by_title("1 unread").wait_for(state="detached")
    look.check(anna)
    anna.set_viewport_size({"width": 390, "height": 800})
    look.check(anna)

    for page in pages:
        page.locator("#rooibos").get_by_role("button", name="Unfollow").click()
        page.locator("#rooibos").get_by_role("button", name="Follow", exact=True).wait_for()


def test_narrow(pages):
    """The page fits a phone, for the keeper, too."""
    for page in pages:
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto("/notifications/")
        look.check(page)
