"""Keeps the index as the products are."""

from django.db import transaction
from django.utils import timezone

from search.models import SearchEntry
from shop.models import Product


@transaction.atomic
def update_index(keys):
    """
    Bring the entries of some products up to date, all of them at once.

    keys: primary keys, a set. Those of no product are taken out. Doing it twice does no harm.
    """
    products = Product.objects.in_bulk(keys)
    SearchEntry.objects.filter(product__in=keys - products.keys()).delete()
    SearchEntry.objects.bulk_create(
        [
            SearchEntry(product=product, text=text_of(product), indexed_at=timezone.now())
            for product in products.values()
        ],
        update_conflicts=True,
        unique_fields=["product"],
        update_fields=["text", "indexed_at"],
    )


def text_of(product):
    """Return what a product is found by, in lower case."""
    return f"{product.name}\n{product.description}".lower()
