"""Fills the shop with products, and makes the demo login."""

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from shop.models import Product
from stock.models import StockItem

# Name, slug, price, how many are in stock, and a description.
PRODUCTS = (
    ("Assam, 100 g", "assam", "6.90", 120, "Strong and malty. Takes milk without complaint."),
    ("Darjeeling, 100 g", "darjeeling", "11.50", 80, "First flush, light, with a little grape."),
    ("Sencha, 100 g", "sencha", "8.20", 90, "Steamed green tea, fresh as cut grass."),
    ("Rooibos, 100 g", "rooibos", "4.80", 150, "Red, mild and free of caffeine."),
    ("Glass teapot", "glass-teapot", "34.00", 40, "One litre, with a strainer of steel."),
    ("Stoneware cup", "stoneware-cup", "14.00", 60, "Thrown by hand; no two are alike."),
    ("Cast-iron kettle", "kettle", "79.00", 6, "Keeps warm for an hour. There are few of them."),
    ("Tea tin", "tea-tin", "9.50", 70, "Closes tightly; holds 150 g."),
)


class Command(BaseCommand):
    """Fill the shop; running it again restocks it."""

    help = "Make products with their stock, and the login demo with the password demo."

    def handle(self, *args, **options):
        """Store what is missing and leave customers and orders as they are."""
        for name, slug, price, quantity, description in PRODUCTS:
            product, _ = Product.objects.update_or_create(
                slug=slug,
                defaults={"name": name, "price": Decimal(price), "description": description},
            )
            stocked = {"quantity": quantity, "reorder_level": min(quantity, 10)}
            StockItem.objects.filter(product=product).update(**stocked)
        users = get_user_model().objects
        if not users.filter(username="demo").exists():
            users.create_superuser("demo", "demo@example.com", "demo")
        self.stdout.write(f"{len(PRODUCTS)} products; login demo with the password demo.")
