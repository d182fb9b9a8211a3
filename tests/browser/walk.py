"""What a person does and notices on any page of the example shop."""

import time

from tests.browser import look

TIMEOUT_S = 30


def log_in(page):
    """Log in as the demo user."""
    page.goto("/accounts/login/")
    page.fill("#id_username", "demo")
    page.fill("#id_password", "demo")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()


def open_page(browser, base_url, scheme, state=None):
    """
    Return a page of a browser, and a list of what goes wrong on its pages.

    state: cookies of a browser that is logged in.
    """
    context = browser.new_context(
        base_url=base_url,
        color_scheme=scheme,
        storage_state=state,
        viewport={"width": 1280, "height": 900},
    )
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: note(message, troubles))
    # The toolbar would cover a part of the pages; tests of the panel show it.
    page.add_init_script("localStorage['djdt.show'] ??= false")
    page.set_default_timeout(10_000)
    return page, troubles


def note(message, troubles):
    """Note a browser's complaint, save that the admin has no icon: browsers ask for one."""
    if message.type in ("error", "warning") and "favicon.ico" not in message.location["url"]:
        troubles.append(message.text)


def check_looks(page):
    """Everything on the page can be read, and nothing is cut off at its side."""
    for part in page.locator("header, main, footer").all():
        assert part.evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)


def reload_until(page, locator, count=1):
    """Load a page anew until something is there so often: a worker or the writer sees to it."""
    deadline = time.monotonic() + TIMEOUT_S
    while locator.count() < count:
        assert time.monotonic() < deadline, page.locator("main").inner_text()
        page.wait_for_timeout(100)
        page.reload()
