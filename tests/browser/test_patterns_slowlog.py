"""A slow query is found with its request, as a person sees it."""

import pytest

from tests.browser.walk import check_looks, reload_until

pytestmark = pytest.mark.parametrize("scheme", ["light"])


def test_slow_query(page):
    """What the keeper runs is listed below its request, which leads to its trace."""
    page.goto("/patterns/")
    page.get_by_role("link", name="Slow queries of each request").click()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Run a slow query").click()
    page.get_by_text("That took a while.").wait_for()
    request = page.get_by_role("link", name="POST /slow-queries/run/")
    reload_until(page, request)
    assert "WITH RECURSIVE numbers" in page.locator("pre").first.inner_text()
    check_looks(page)
    request.first.click()
    page.get_by_role("heading", name="POST /slow-queries/run/").wait_for()
