"""What the stock does when orders come and go."""

import logging
from functools import partial

from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.exceptions import OrderRefused
from shop.models import Order, Product
from shop.signals import order_placed, order_status_changed
from stock.models import StockItem
from stock.signals import stock_low

logger = logging.getLogger(__name__)


class OutOfStock(OrderRefused):
    """There is less in stock than was ordered."""


class SupplierUnavailable(Exception):
    """The supplier does not answer."""


@receiver(post_save, sender=Product)
def open_stock(sender, instance, created, **kwargs):
    """Give each new product its place in the stock."""
    if created:
        StockItem.objects.create(product=instance)


@receiver(order_placed)
def reserve_stock(sender, order, **kwargs):
    """Take what was ordered out of the stock; stop the order when there is too little."""
    for line in order.lines.select_related("product__stock_item"):
        item = line.product.stock_item
        if item.quantity < line.quantity:
            raise OutOfStock(f"There are only {item.quantity} of {line.product} left.")
        move(item, -line.quantity, str(order))


@receiver(order_status_changed)
def release_stock(sender, order, new, **kwargs):
    """Put back what a cancelled order had reserved."""
    if new == Order.Status.CANCELLED:
        for line in order.lines.select_related("product__stock_item"):
            move(line.product.stock_item, line.quantity, f"{order} cancelled")


def move(item, change, reason):
    """Change how much there is of an item, and note why."""
    item.quantity += change
    item.save()
    item.movements.create(change=change, reason=reason)


@receiver(post_save, sender=StockItem)
def warn_when_low(sender, instance, created, **kwargs):
    """Say that an item runs low; who fails to act on that does not stop the order."""
    if not created and instance.is_low:
        stock_low.send_robust(sender=StockItem, item=instance)


@receiver(stock_low)
def reorder_from_supplier(sender, item, **kwargs):
    """Order more; the supplier of this shop never answers."""
    raise SupplierUnavailable(f"No answer when ordering more of {item.product}.")


def notify(channel, sender, item, **kwargs):
    """Tell people that an item runs low."""
    logger.info("To %s: only %s left.", channel, item)


# A partial has no other reference: a weak one would lose it at once.
stock_low.connect(partial(notify, "warehouse"), weak=False)
