"""The stock: an item that runs low is told of once, until it is refilled."""

import re

from visitor import expect


def take(anna, keeper):
    """Make a product low, and lower, and refill it; one receiver fails each time it is told."""
    keeper.get("/stock/")
    page = keeper.post("/stock/refill/")
    path = re.search(r"Tea tin</a>.*?action=\"(/stock/\d+/move/)\"", page, re.DOTALL)[1]
    quantity = int(re.search(r"Tea tin</a>.*?(\d+)</td>", page, re.DOTALL)[1])
    page = keeper.post(path, amount=str(quantity - 9), direction="-1")
    expect("Only 9 x Tea tin" in page, "nobody is told of what runs low")
    expect("No answer when ordering more of Tea tin" in page, "the supplier answers")
    page = keeper.post(path, amount="1", direction="-1")
    expect("There are 8 x Tea tin now" in page, "nothing can be taken from the stock")
    keeper.post("/stock/take-of-all/")
    page = keeper.get("/stock/")
    expect("Only 8 x Tea tin" not in page, "what is low is told of twice")
    keeper.post("/stock/refill/")
    page = keeper.post(path, amount="99", direction="1")
    expect("not yet" not in page, "a refill ends no notice")
    expect("Move" not in anna.get("/stock/"), "customers move the stock")
