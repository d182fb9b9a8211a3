"""Anna follows a product, the keeper changes its price, and Anna is told."""

from decimal import Decimal

from visitor import expect


def take(anna, keeper):
    """Follow, change, read."""
    anna.get("/notifications/")
    anna.post("/notifications/sencha/follow/")
    keeper.get("/notifications/")
    keeper.post("/notifications/sencha/follow/")
    for price in (Decimal("7.90"), Decimal("8.20")):
        page = keeper.post("/notifications/sencha/price/", price=str(price))
        expect(f"costs {price} € now" in page, "the price cannot be changed")
    expect("7.90 → 8.20" not in keeper.get("/notifications/"), "the keeper is told, too")

    page = anna.get("/notifications/")
    expect("Price: 7.90 → 8.20" in page, "a follower is not told")
    expect(' unread">' in page, "unread notifications are not counted")
    page = anna.post("/notifications/read/")
    expect(' unread">' not in page, "notifications cannot be marked as read")
    anna.post("/notifications/sencha/unfollow/")
