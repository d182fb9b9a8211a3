"""Anna pays while the ledger does not answer; her payment is booked later, once."""

import re

from visitor import expect


def take(anna, keeper):
    """Stop the service, pay, let it answer again, book."""
    if "Let the service answer again" in keeper.get("/ledger/"):
        keeper.post("/ledger/outage/")
    keeper.post("/ledger/outage/")
    anna.get("/products/sencha/")
    anna.post("/products/sencha/order/", quantity="1")
    order = anna.path
    expect("is paid" in anna.post(f"{order}pay/"), "nobody can pay while the ledger is away")
    page = keeper.wait_for("/ledger/", "LedgerUnavailable")
    expect(f'href="{order}"' not in anna.get("/ledger/"), "a payment is booked by nobody")

    keeper.post("/ledger/outage/")
    for key in re.findall("/ledger/(.+)/try/", page):
        keeper.post(f"/ledger/{key}/try/")
    page = anna.wait_for("/ledger/", f'href="{order}"')
    expect(page.count(f'href="{order}"') == 1, "a payment is booked twice")
    page = keeper.post("/ledger/run/")
    expect("Delivered:" in page, "the worker cannot be run")
