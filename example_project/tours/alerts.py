"""Alerts are posted, and kept from a webhook that fails."""

from visitor import expect


def take(anna, keeper):
    """Post an alert, let the inbox fail until the guard opens, and mend it."""
    page = keeper.get("/alerts/")
    if "Let the inbox work again" in page:
        keeper.post("/alerts/inbox/break/")
    keeper.post("/alerts/webhook/", url=f"{keeper.base}/alerts/inbox/")
    page = keeper.post("/alerts/raise/", level="info", text="The shop is open")
    expect("<li>info: The shop is open</li>" in page, "an alert does not arrive")
    keeper.post("/alerts/inbox/break/")
    for number in range(4):
        page = keeper.post("/alerts/raise/", level="warning", text=f"Unheard {number}")
    expect("The guard of the webhook is open" in page, "the guard does not open")
    page = keeper.post("/alerts/inbox/break/")
    expect("working" in page, "the inbox cannot be mended")
