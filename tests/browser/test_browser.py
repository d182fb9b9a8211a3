"""
What a person sees: the shop, a trace and the signals in the admin, and the toolbar's panel.

With SIGNALSCOPE_SCREENSHOTS=1 the pictures of the documentation are taken anew.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.browser import look
from tests.browser.walk import log_in, open_page

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
HAS_SCREENSHOTS = os.environ.get("SIGNALSCOPE_SCREENSHOTS") == "1"
STORE_TIMEOUT_S = 30
ORDER = "POST /products/kettle/order/"

ORDER_TREE = """\
shop.signals.order_placed
  shop.receivers.rank_products [9 queries] [7 repeated: N+1?]
  stock.receivers.reserve_stock [3 queries]
    django.db.models.signals.post_save [in a transaction]
      shop.receivers.log_change
      stock.receivers.warn_when_low [8 queries]
        django.db.models.signals.post_save [in a transaction]
          shop.receivers.log_change
        stock.signals.stock_low [send_robust]
          stock.receivers.reorder_from_supplier [stock.receivers.SupplierUnavailable]
          partial(stock.receivers.notify)
    django.db.models.signals.post_save [in a transaction]
      shop.receivers.log_change"""

ORDER_PANEL = """\
shop.signals.order_placed
  shop.receivers.rank_products ok
  stock.receivers.reserve_stock ok
    django.db.models.signals.post_save
      shop.receivers.log_change ok
      stock.receivers.warn_when_low ok
        django.db.models.signals.post_save
          shop.receivers.log_change ok
        stock.signals.stock_low
          stock.receivers.reorder_from_supplier error
          partial(stock.receivers.notify) ok
    django.db.models.signals.post_save
      shop.receivers.log_change ok"""


@pytest.fixture(scope="module")
def shopping(browser, base_url):
    """
    What a customer did in the shop; all of it is stored.

    Returns the browser's complaints, the address of the order's trace, and the cookies.
    """
    page, troubles = open_page(browser, base_url, "light")
    log_in(page)
    page.goto("/products/kettle/")
    page.get_by_role("button", name="Order this").click()
    page.get_by_text("Thank you for your order.").wait_for()
    page.get_by_role("button", name="Pay 79.00 €").click()
    page.get_by_text("Order 1 is paid.").wait_for()
    page.goto("/newsletter/")
    page.get_by_label("Email").fill("anna@example.com")
    page.get_by_role("button", name="Send it to me").click()
    page.get_by_text("Thank you.").wait_for()
    deadline = time.monotonic() + STORE_TIMEOUT_S
    while True:
        page.goto("/admin/signalscope/trace/")
        if page.get_by_role("link", name="POST /newsletter/").count():
            break
        assert time.monotonic() < deadline, "The last request was not stored."
        time.sleep(0.2)
    trace = page.get_by_role("link", name=ORDER).get_attribute("href")
    state = page.context.storage_state()
    page.context.close()
    return troubles, trace, state


@pytest.fixture(params=["light", "dark"])
def page(request, browser, base_url, shopping):
    """A page that is logged in, in a light and in a dark scheme; its troubles fail the test."""
    opened, troubles = open_page(browser, base_url, request.param, shopping[2])
    opened.scheme = request.param
    yield opened
    opened.context.close()
    assert troubles == []


def take(page, name, **options):
    """Take a picture for the documentation, if that is asked for."""
    if HAS_SCREENSHOTS and page.scheme == "light":
        IMAGES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=IMAGES / name, **options)


def is_dark(page):
    """Tell whether the page's background is dark."""
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", color)[:3])) < 3 * 128


def hide_toolbar(page):
    """Leave the toolbar's handle out of the picture."""
    page.add_style_tag(content="#djDebugRoot, #djDebug { display: none !important; }")


def test_shop(shopping):
    """Ordering, paying and reading traces leave no complaint in the browser."""
    assert shopping[0] == []


@pytest.mark.parametrize("path", ["/", "/products/assam/", "/orders/", "/orders/1/", "/pulse/"])
def test_shop_can_be_read(page, path):
    """The shop's pages follow the color scheme, and can be read in both."""
    page.goto(path)
    assert is_dark(page) == (page.scheme == "dark")
    assert page.locator("body > :not(#djDebugRoot, #djDebug)").count()
    for part in page.locator("header, main, footer").all():
        assert part.evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)


def test_trace(page, shopping):
    """A request's page shows its tree with receivers, bars, queries and the error."""
    page.goto(shopping[1])
    page.get_by_role("heading", name=ORDER).wait_for()
    assert page.evaluate(look.ADMIN_TREE, "shop.signals.order_placed") == ORDER_TREE
    tree = page.locator(".signalscope-tree")
    assert tree.get_by_text("No answer when ordering more of Cast-iron kettle.").is_visible()
    receiver = tree.get_by_role("link", name="rank_products")
    assert receiver.is_visible()

    widths = [
        float(bar.get_attribute("width") or 0)
        for bar in tree.locator("svg.signalscope-bar rect.total").all()
    ]
    assert all(0 <= width <= 100 for width in widths)
    assert max(widths) > 5
    assert tree.locator("svg.signalscope-bar").first.is_visible()

    assert is_dark(page) == (page.scheme == "dark")
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)
    hide_toolbar(page)
    take(page, "admin-trace.png", full_page=True)

    receiver.click()
    page.get_by_role("heading", name="rank_products").first.wait_for()


def test_trace_folds(page, shopping):
    """What is below a dispatch can be folded away, with the keyboard."""
    page.goto(shopping[1])
    below = page.get_by_role("link", name="rank_products")
    below.wait_for()
    page.locator("summary", has_text="order_placed").focus()
    page.keyboard.press("Enter")
    below.wait_for(state="hidden")


def test_signals(page):
    """The page "Signals" tells apart what is called, what never is, and what nobody hears."""
    page.goto("/admin/signalscope/trace/")
    page.locator(".object-tools").get_by_role("link", name="Signals").click()
    page.get_by_role("heading", name="Signals", exact=True).first.wait_for()

    def row(name):
        found = page.locator("tr", has=page.locator(f'[title="{name}"]'))
        return found.inner_text().split("\t")

    called = row("payments.receivers.book_in_ledger")
    assert [part.strip() for part in called[3:5]] == ["called Mute", "1"]
    assert re.fullmatch(r"[\d.]+ ms", called[5].strip())
    assert row("shop.receivers.forget_best_sellers")[3].strip() == "never called Mute"
    # Other tests order as well.
    assert int(row("stock.receivers.reorder_from_supplier")[6]) >= 1
    unheard = page.locator("tbody", has_text="shop.signals.newsletter_requested")
    assert unheard.get_by_text("(nobody)").is_visible()
    assert unheard.get_by_text("sent to nobody").is_visible()

    assert is_dark(page) == (page.scheme == "dark")
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)
    hide_toolbar(page)
    take(page, "admin-signals.png")


def test_activity(page):
    """The activity log says who did what; a click leads from an entry to its fields and trace."""
    page.goto("/admin/signalscope/activitylog/?object_type=shop.Order")
    row = page.locator("#result_list tr", has_text="Placed → Paid").last
    assert "demo" in row.inner_text()
    assert is_dark(page) == (page.scheme == "dark")
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)
    page.goto("/admin/signalscope/activitylog/")
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    hide_toolbar(page)
    take(page, "admin-activity.png")

    page.goto("/admin/signalscope/activitylog/?object_type=shop.Order")
    page.locator("#result_list tr", has_text="Placed → Paid").last.locator("th a").click()
    changes = page.locator(".signalscope-diff tbody tr")
    assert changes.locator("th, td").all_inner_texts() == ["status", "Placed", "Paid"]
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)
    hide_toolbar(page)
    take(page, "admin-entry.png")

    page.get_by_role("link", name="Show the trace").click()
    page.get_by_role("heading", name="/pay/").wait_for()
    activity = page.locator(".signalscope-activity")
    assert activity.get_by_text("status: Placed → Paid").is_visible()
    assert page.locator("#content-main").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)


def test_history(page):
    """An order's history has what was done in the shop."""
    page.goto("/admin/shop/order/1/history/")
    activity = page.locator(".signalscope-activity")
    assert activity.get_by_text("status: Placed → Paid").is_visible()
    assert page.locator("#content").evaluate(look.TOO_FAINT) == []
    assert not page.evaluate(look.IS_TOO_WIDE)


def show_panel(page, name):
    """Open one of the toolbar's panels."""
    page.evaluate("localStorage['djdt.show'] = true")
    page.reload()
    page.locator(f"#djDebugPanelList a.{name}").click()


def panel_of(page):
    """Return signalscope's panel, when its content is there."""
    panel = page.locator("#SignalScopePanel .signalscope")
    panel.wait_for()
    return panel


def panel_from_history(page, path, summary):
    """Switch the toolbar to the newest form sent to an address; return the panel's content."""
    show_panel(page, "HistoryPanel")
    posted = page.locator("#HistoryPanel tr", has_text="POST").filter(has_text=path).first
    changed = page.locator("#djdt-SignalScopePanel small", has_text=summary)
    deadline = time.monotonic() + 10
    while not changed.count():
        assert time.monotonic() < deadline, f"The toolbar does not switch to {path}."
        # The toolbar renews this list as it is shown; a click may fall in between.
        posted.locator(".switchHistory").click()
        page.wait_for_timeout(500)
    page.locator("#djDebugPanelList a.SignalScopePanel").click()
    return panel_of(page)


def test_panel(page):
    """The panel of a page shows its dispatches, and sums them up beside its name."""
    page.goto("/pulse/")
    show_panel(page, "SignalScopePanel")
    panel = panel_of(page)
    summary = page.locator("#djdt-SignalScopePanel small").inner_text()
    assert re.fullmatch(r"\d+ dispatch(es)?, \d+ receivers, [\d.]+ ms", summary)
    tree = panel.locator("table.signalscope-tree").evaluate(look.PANEL_TREE)
    assert "  shop.receivers.count_open_orders ok\n  shop.receivers.ask_carrier ok" in tree


def test_panel_from_history(page):
    """The panel of an earlier request, by way of the toolbar's history, has all tabs."""
    # That it runs low is told once, and again after a refill.
    page.goto("/stock/")
    page.locator("tr", has_text="kettle").first.get_by_role("button", name="Add").click()
    page.get_by_text("x Cast-iron kettle now.").wait_for()
    page.goto("/products/kettle/")
    page.get_by_role("button", name="Order this").click()
    page.get_by_text("Thank you for your order.").wait_for()
    panel = panel_from_history(page, "/products/kettle/order/", "1 error")
    assert ORDER_PANEL in panel.locator("table.signalscope-tree").evaluate(look.PANEL_TREE)
    assert panel.get_by_text("stock.receivers.SupplierUnavailable").is_visible()
    assert panel.get_by_text("N+1: 7 repeated").is_visible()
    assert panel.evaluate(look.TOO_FAINT) == []
    take(page, "panel.png")

    panel.get_by_text("Not called", exact=False).first.click()
    never = panel.locator("tr", has_text="payments.receivers.book_in_ledger")
    assert "its signal was not sent" in never.inner_text()
    assert panel.evaluate(look.TOO_FAINT) == []


def test_panel_unheard(page):
    """The third tab lists signals of the request that nobody heard."""
    page.goto("/newsletter/")
    page.get_by_label("Email").fill("anna@example.com")
    page.get_by_role("button", name="Send it to me").click()
    page.get_by_text("Thank you.").wait_for()
    panel = panel_from_history(page, "/newsletter/", "1 dispatch, 0 receivers")
    panel.locator("label", has_text="Unheard").click()
    row = panel.locator(".signalscope-pane-unheard tr", has_text="newsletter_requested")
    assert "shop.Product" in row.inner_text()
    assert row.is_visible()
    assert panel.evaluate(look.TOO_FAINT) == []
