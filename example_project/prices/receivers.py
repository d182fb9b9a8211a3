"""What happens when a product gets another price."""

import signalscope
from django.core.mail import send_mass_mail
from django.db.models.signals import post_save
from django.dispatch import receiver

from prices.models import PriceChange, PriceSubscription
from prices.signals import price_changed
from shop.models import Product


@receiver(post_save, sender=Product)
@signalscope.not_raw
@signalscope.only_when_field_changed("price")
def announce_price(sender, instance, created, changed, **kwargs):
    """Tell the other receivers of a price that is really another one."""
    if not created:
        old, new = changed["price"]
        price_changed.send(sender=Product, product=instance, old=old, new=new)


@receiver(price_changed)
def keep_history(sender, product, old, new, **kwargs):
    """Note the change, in the same transaction: there is never one without the other."""
    PriceChange.objects.create(product=product, old=old, new=new)


@receiver(price_changed)
@signalscope.on_commit(robust=True)
def tell_subscribers(sender, product, old, new, **kwargs):
    """Mail who subscribed, once the price is committed; a mail server that is down stops nobody."""
    subscriptions = PriceSubscription.objects.filter(product=product)
    subject = f"{product.name}: {new} €"
    body = f"{product.name} was {old} € and is {new} € now."
    send_mass_mail(
        (subject, body, None, [address])
        for address in subscriptions.values_list("subscriber__email", flat=True)
        if address
    )
