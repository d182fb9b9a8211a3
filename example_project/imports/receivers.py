"""Keeps the statistics right, by whatever way articles change."""

import signalscope
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from signalscope.bulk import BulkSignalQuerySet, bulk_created, bulk_deleted, bulk_updated

from imports.models import Article
from imports.statistics import store_statistics


@receiver([bulk_created, bulk_updated, bulk_deleted], sender=Article)
def count_after_bulk(sender, **kwargs):
    """Count once after each bulk operation, however many articles it was about."""
    store_statistics()


@receiver(post_save, sender=Article)
def count_after_save(sender, **kwargs):
    """Count after an article was created or changed by itself."""
    store_statistics()


def is_no_bulk_delete(sender, origin=None, **kwargs):
    """Tell whether no bulk_deleted follows: the article was deleted by itself, or with others."""
    return not (isinstance(origin, BulkSignalQuerySet) and origin.model is sender)


@receiver(post_delete, sender=Article)
@signalscope.signal_condition(is_no_bulk_delete)
def count_after_delete(sender, **kwargs):
    """Count after an article was deleted by itself; Django sends this in bulk deletes as well."""
    store_statistics()
