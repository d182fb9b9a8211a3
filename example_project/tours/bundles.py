"""Bundles: many parts are changed, and the bundle is updated once."""

import re

from visitor import expect


def take(anna, keeper):
    """Make a bundle of two products, change both at once, and take one out."""
    keeper.get("/bundles/")
    page = keeper.post("/bundles/new/", name="Tea for two")
    path = keeper.path
    tea, tin = (re.search(rf'value="(\d+)">{name}', page)[1] for name in ("Assam", "Tea tin"))
    counts = {"parts-TOTAL_FORMS": "2", "parts-INITIAL_FORMS": "0"}
    parts = {"parts-0-product": tea, "parts-1-product": tin}
    quantities = {"parts-0-quantity": "1", "parts-1-quantity": "1"}
    page = keeper.post(path, **counts, **parts, **quantities)
    expect("Parts changed: 2. Updates of the bundle: 1." in page, "a bundle is updated twice")
    keys = re.findall(r'name="parts-\d+-id" value="(\d+)"', page)
    counts["parts-INITIAL_FORMS"] = "2"
    parts |= {f"parts-{number}-id": key for number, key in enumerate(keys)}
    page = keeper.post(path, **counts, **parts, **quantities)
    expect("Parts changed: 0. Updates of the bundle: 0." in page, "unchanged parts touch a bundle")
    quantities = {"parts-0-quantity": "2", "parts-1-quantity": "1", "parts-1-DELETE": "on"}
    page = keeper.post(path, **counts, **parts, **quantities)
    expect("Parts changed: 2. Updates of the bundle: 1." in page, "a bundle is updated twice")
    page = anna.get("/bundles/")
    expect("2 x Assam, 100 g</td>" in page, "customers do not see the parts of a bundle")
    expect("/bundles/new/" not in page, "customers make bundles")
