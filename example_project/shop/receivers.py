"""What the shop does when something happens."""

import asyncio
import logging

from django.core.cache import cache
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver

from payments.signals import payment_received
from shop.models import Order, OrderLine, Product
from shop.signals import order_placed, order_status_changed, pulse_taken

logger = logging.getLogger(__name__)

BEST_SELLERS = "shop.best_sellers"


@receiver(post_save)
def log_change(sender, instance, created, **kwargs):
    """Write every saved object to the log: connected for all senders."""
    logger.debug("%s %s %s", sender.__name__, instance.pk, "created" if created else "changed")


@receiver(pre_save, sender=Order)
def remember_status(sender, instance, **kwargs):
    """Keep the stored status of an order, for the receiver that compares it."""
    stored = Order.objects.filter(pk=instance.pk).values_list("status", flat=True)
    instance.stored_status = stored.first()


@receiver(post_save, sender=Order)
def announce_status(sender, instance, created, **kwargs):
    """Tell the other apps about an order's new status."""
    if not created and instance.status != instance.stored_status:
        order_status_changed.send(
            sender=Order, order=instance, old=instance.stored_status, new=instance.status
        )


@receiver(order_placed)
def rank_products(sender, order, **kwargs):
    """Find the best sellers: one query for each product, where one for all would do."""
    sold = {
        product.name: OrderLine.objects.filter(product=product).count()
        for product in Product.objects.all()
    }
    cache.set(BEST_SELLERS, sorted(sold, key=sold.get, reverse=True)[:3])


@receiver(payment_received)
def mark_paid(sender, payment, **kwargs):
    """Move the order on when its payment is there."""
    payment.order.status = Order.Status.PAID
    payment.order.save()


@receiver(post_delete, sender=Product)
def forget_best_sellers(sender, **kwargs):
    """Name no product that is gone."""
    cache.delete(BEST_SELLERS)


@receiver(pulse_taken)
async def count_open_orders(sender, **kwargs):
    """Say how many orders wait for their payment."""
    return "Open orders", await Order.objects.filter(status=Order.Status.PLACED).acount()


@receiver(pulse_taken)
async def ask_carrier(sender, **kwargs):
    """Say when parcels are collected; waits as for the answer of a carrier."""
    await asyncio.sleep(0.02)
    return "Parcels leave at", "17:30"


@receiver(pulse_taken)
def name_best_seller(sender, **kwargs):  # signalscope: ignore=D010
    """Say what sells best; a plain function among async ones."""
    best = cache.get(BEST_SELLERS)
    return ("Best seller", best[0]) if best else None
