"""A request with a slow query is found."""

from visitor import expect


def take(anna, keeper):
    """Run a slow query, and find it with its request."""
    keeper.get("/slow-queries/")
    page = keeper.post("/slow-queries/run/")
    expect("That took a while" in page, "a slow query cannot be run")
    keeper.wait_for("/slow-queries/", "POST /slow-queries/run/")
