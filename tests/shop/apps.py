"""The app of the test project."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Connects nothing by itself: each test connects what it needs."""

    name = "tests.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
