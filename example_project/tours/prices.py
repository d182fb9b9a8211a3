"""Prices: a customer subscribes, the shop keeper changes one, and a mail goes out."""

import re
from decimal import Decimal

from visitor import expect


def take(anna, keeper):
    """Change the price of a tea, which its subscribers are told of, and set it again."""
    keeper.get("/prices/")
    keeper.post("/prices/assam/subscribe/")
    page = keeper.get("/prices/")
    expect("/prices/assam/unsubscribe/" in page, "nobody can subscribe to a price")
    old = Decimal(re.search(r'value="([\d.]+)"[^>]*aria-label="New price of Assam', page)[1])
    new = old + Decimal("0.05")
    page = keeper.post("/prices/assam/set/", price=str(new))
    change_count = page.count(f"{old} → {new} €")
    expect(change_count > 0, "a price has no history")
    mailed = f"was {old} € and is {new} € now"
    expect(mailed in keeper.get("/mailbox/"), "subscribers are not told of a price")
    page = keeper.post("/prices/assam/set/", price=f"{new}0")
    expect("costs" not in page and "decimal places" in page, "a price may have three decimals")
    page = keeper.post("/prices/assam/set/", price=str(new))
    expect(page.count(f"{old} → {new} €") == change_count, "the same price is a change")
    keeper.post("/prices/assam/unsubscribe/")
    expect("New price" not in anna.get("/prices/"), "customers set prices")
