"""What comes in and goes out."""

from shop.exceptions import OrderRefused


class OutOfStock(OrderRefused):
    """There is less in stock than is to be taken."""


def move(item, change, reason):
    """Change how much there is of an item, and note why; OutOfStock where there is too little."""
    if item.quantity + change < 0:
        raise OutOfStock(f"There are only {item.quantity} of {item.product} left.")
    item.quantity += change
    item.save(update_fields=["quantity"])
    item.movements.create(change=change, reason=reason)
