"""The price list, made of all products and cached as a whole."""

from django.core.cache import cache
from django.utils import timezone

from shop.models import Product

KEY = "pricelist.price_list"
# The net below invalidation: whatever that misses is over after ten minutes.
TIMEOUT_S = 600
FIELDS = ("pk", "name", "price")


def read_prices():
    """Return name and price of each product by its key, as they are stored."""
    return {pk: (name, price) for pk, name, price in Product.objects.values_list(*FIELDS)}


def get_price_list():
    """Return the price list, with the moment it was made: from the cache, or made anew."""
    return cache.get_or_set(KEY, make_price_list, TIMEOUT_S)


def make_price_list():
    """Return the price list as of now; think of it as slow."""
    return {"made_at": timezone.now(), "prices": read_prices()}
