"""When the price list has to be made anew."""

import signalscope
from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from signalscope.bulk import bulk_created, bulk_updated

from pricelist.cached import KEY
from shop.models import Product


@receiver([post_save, post_delete], sender=Product)
@signalscope.on_commit(robust=True)
def forget_price_list(sender, **kwargs):
    """
    Drop the cached list once the change is committed.

    Before that, somebody who reads the list meanwhile would put the old prices back.
    """
    cache.delete(KEY)


@receiver([bulk_created, bulk_updated], sender=Product)
@signalscope.on_commit(robust=True)
def forget_price_list_after_bulk(sender, **kwargs):
    """Do the same for what is stored without save(): Product has signalscope's manager."""
    cache.delete(KEY)
