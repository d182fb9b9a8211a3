"""What the stock does when orders come and go."""

import logging
from functools import partial, update_wrapper

import signalscope
from django.db.models import F, Q
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from signalscope.bulk import bulk_created, bulk_updated

from shop.models import Order, Product
from shop.signals import order_placed, order_status_changed
from stock.models import LowStockNotice, StockItem
from stock.moves import move
from stock.signals import stock_low

logger = logging.getLogger(__name__)

LOW = Q(quantity__lt=F("reorder_level"))


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
        move(line.product.stock_item, -line.quantity, str(order))


@receiver(order_status_changed)
def release_stock(sender, order, new, **kwargs):
    """Put back what a cancelled order had reserved."""
    if new == Order.Status.CANCELLED:
        for line in order.lines.select_related("product__stock_item"):
            move(line.product.stock_item, line.quantity, f"{order} cancelled")


@receiver(post_save, sender=StockItem)
@signalscope.only_when_field_changed("quantity", "reorder_level")
def warn_when_low(sender, instance, using, **kwargs):
    """Say that an item runs low; who fails to act on that does not stop the order."""
    tell_of_low(StockItem.objects.using(using).filter(pk=instance.pk))


@receiver([bulk_created, bulk_updated], sender=StockItem)
def warn_when_many_are_low(sender, using, **kwargs):
    """Say the same after a bulk operation, of whichever items it has made low."""
    tell_of_low(StockItem.objects.using(using))


def tell_of_low(items):
    """
    Send stock_low for the items of a queryset that became low, once until they are refilled.

    The rows are asked, not the instances: a quantity may be an expression, such as
    F("quantity") - 1. The notice that is still open says that it was told already.
    """
    notices = LowStockNotice.objects.using(items.db).filter(refilled_at=None)
    notices.filter(item__in=items.exclude(LOW)).update(refilled_at=timezone.now())
    untold = items.filter(LOW).exclude(pk__in=notices.values("item"))
    for item in untold.select_related("product"):
        # Of two that come at the same time, one creates the notice.
        notice, is_new = notices.get_or_create(
            item=item, refilled_at=None, defaults={"quantity": item.quantity}
        )
        if is_new:
            answers = stock_low.send_robust(sender=StockItem, item=item)
            failures = [str(answer) for _, answer in answers if isinstance(answer, Exception)]
            notices.filter(pk=notice.pk).update(failures="\n".join(failures))


@receiver(stock_low)
def reorder_from_supplier(sender, item, **kwargs):
    """Order more; the supplier of this shop never answers."""
    raise SupplierUnavailable(f"No answer when ordering more of {item.product}.")


def notify(channel, sender, item, **kwargs):
    """Tell people that an item runs low."""
    logger.info("To %s: only %s left.", channel, item)


# A partial has no name, by which send_robust() logs who failed; update_wrapper() gives it one.
# It has no other reference either: a weak one would lose it at once.
stock_low.connect(update_wrapper(partial(notify, "warehouse"), notify), weak=False)
