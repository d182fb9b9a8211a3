"""The keeper saves all products three times; each is indexed once."""

from visitor import expect


def take(anna, keeper):
    """Save, index, search."""
    keeper.get("/search/")
    page = keeper.post("/search/save-all/")
    expect("were saved three times each" in page, "the products cannot be saved")
    page = keeper.post("/search/flush/")
    expect('<dd id="waiting">0</dd>' in page, "something still waits to be indexed")
    expect('<table id="batches">' in page, "nothing was indexed")
    expect("Sencha" in anna.get("/search/?q=GREEN+steamed"), "a product is not found")
    expect("No product has all" in anna.get("/search/?q=green+kettle"), "too much is found")
