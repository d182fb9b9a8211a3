"""Keeps the search index up to date, in batches."""

import signalscope
from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from search.index import update_index
from search.tally import tally
from shop.models import Product


def is_search_on(**kwargs):
    """Tell whether the index follows the products; tests turn that off."""
    return settings.SEARCH_AUTOSYNC


# For the page alone: leave it out of your own.
@receiver([post_save, post_delete], sender=Product)
@signalscope.signal_condition(is_search_on)
@signalscope.on_commit
def count_change(sender, instance, **kwargs):
    """Count how often products are saved and deleted, to compare that with the index's work."""
    tally.note_change(instance.pk)


def product_key(dispatched):
    """Return what dispatches about the same product have in common."""
    return dispatched.named["instance"].pk


@receiver([post_save, post_delete], sender=Product)
@signalscope.signal_condition(is_search_on)
@signalscope.batched(size=50, interval=2, key=product_key, coalesce=True)
def reindex(dispatches):
    """Index each product of a batch once, however often it was saved."""
    keys = {product_key(dispatched) for dispatched in dispatches}
    update_index(keys)
    tally.note_batch(keys)
