"""Signing up, changing an account, and reading what happened to it, as a person does."""

import pytest

from tests.browser.walk import check_looks, open_page, reload_until


@pytest.fixture(params=["dark"])
def page(request, browser, base_url):
    """A page in a light and in a dark scheme; its troubles fail the test."""
    opened, troubles = open_page(browser, base_url, request.param)
    # To hash a password takes its time on a busy machine.
    opened.set_default_timeout(60_000)
    opened.visitor = f"anna-{request.param}"
    yield opened
    opened.context.close()
    assert troubles == []


def test_account(page):
    """Who signs up is mailed; the page of the account shows each change, and a failed login."""
    address = f"{page.visitor}@example.com"
    page.goto("/accounts/sign-up/")
    page.fill("#id_username", page.visitor)
    page.fill("#id_email", address)
    page.fill("#id_password1", "tea-at-five")
    page.fill("#id_password2", "tea-at-five")
    check_looks(page)
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("button", name="Log out").wait_for()

    page.get_by_role("link", name=page.visitor).click()
    page.get_by_role("link", name="Your account", exact=True).click()
    page.fill("#id_first_name", "Anna")
    check_looks(page)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("first_name: - → Anna").wait_for()

    page.get_by_role("link", name="Change the password").click()
    page.fill("#id_old_password", "tea-at-five")
    page.fill("#id_new_password1", "tea-at-six")
    page.fill("#id_new_password2", "tea-at-six")
    check_looks(page)
    page.get_by_role("button", name="Change the password").click()
    page.get_by_text("Your password is changed.").wait_for()

    page.get_by_role("button", name="Log out").click()
    for password in ("tea-at-five", "tea-at-six"):
        page.goto("/accounts/login/?next=/accounts/activity/")
        page.fill("#id_username", page.visitor)
        page.fill("#id_password", password)
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="What happened to your account").wait_for()
    logins = page.locator("tr", has_text="Logged in")
    reload_until(page, logins, 2)
    actions = [
        text.split("\n")[0] for text in page.locator("tbody td:first-child").all_inner_texts()
    ]
    assert actions[0] == "Logged in"
    assert {"Login failed", "Logged out", "Password changed", "Created"} <= set(actions)
    assert "127.0.0.1\tChrome" in logins.first.inner_text()
    check_looks(page)

    page.goto("/mailbox/")
    page.get_by_text(f"To {address}").nth(1).wait_for()
    assert page.get_by_role("heading", name="Welcome to Leaf and Kettle").count()
    assert page.get_by_role("heading", name="Your password was changed").count()
