"""The price list: what the cache does not hear of makes it stale."""

import re

from visitor import expect

STALE = 'class="status cancelled">stale'


def take(anna, keeper):
    """Change a price unheard, which makes the cached list stale, and by two ways that are heard."""
    page = keeper.get("/price-list/")
    product = re.search(r'<option value="(\d+)"[^>]*>Tea tin<', page)[1]
    for way, is_stale in (("unheard", True), ("save", False), ("unheard", True), ("bulk", False)):
        page = keeper.post("/price-list/raise/", product=product, way=way)
        expect((STALE in page) == is_stale, f"the price list is wrong after {way}")
    expect("Make dearer" not in anna.get("/price-list/"), "customers change prices")
