"""Anna's order is paid and shipped; another one is paid, cancelled and refunded."""

from visitor import expect


def take(anna, keeper):
    """Order, pay, ship; order, pay, cancel."""
    anna.get("/accounts/account/")
    anna.post("/accounts/account/", email="anna@example.com")

    order = order_and_pay(anna)
    expect(f"{order}ship/" in keeper.get("/orders/desk/"), "a paid order is not on the desk")
    page = keeper.post(f"{order}ship/")
    expect("is shipped." in page, "a paid order cannot be shipped")
    number = order.strip("/").rpartition("/")[2]
    page = keeper.wait_for("/mailbox/", f"Your parcel is on its way (Order {number})")
    expect(f"Thank you (Order {number})" in page, "an order is not confirmed")
    page = anna.get(order)
    expect("Python-urllib" in page, "the log of an order does not say with what it was changed")

    refunded = order_and_pay(anna)
    keeper.get(refunded)
    page = keeper.post(f"{refunded}call-off/")
    expect("is cancelled." in page, "a paid order cannot be cancelled")
    expect("cannot be shipped now" in keeper.post(f"{refunded}ship/"), "it can be shipped still")


def order_and_pay(anna):
    """Order a tin of tea and pay for it; return the address of the order."""
    anna.get("/products/rooibos/")
    anna.post("/products/rooibos/order/", quantity="1")
    order = anna.path
    expect("is paid" in anna.post(f"{order}pay/"), "an order cannot be paid")
    return order
