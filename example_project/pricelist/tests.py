"""When the cached price list is the stored one."""

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from pricelist.cached import KEY, get_price_list
from shop.models import Product


def cached_prices():
    """Return the prices that the list shows."""
    return [str(price) for _, price in get_price_list()["prices"].values()]


class InvalidationTests(TransactionTestCase):
    """The cache, with transactions that are really committed."""

    def setUp(self):
        """Make a product, and have the list cached; leave no cache to others."""
        self.tea = Product.objects.create(name="Assam", slug="assam", price=Decimal("6.90"))
        cache.delete(KEY)
        self.addCleanup(cache.delete, KEY)
        self.assertEqual(cached_prices(), ["6.90"])

    def test_save_and_delete(self):
        """The list is made anew after a product was saved, created or deleted."""
        self.tea.price = Decimal("7.00")
        self.tea.save()
        self.assertEqual(cached_prices(), ["7.00"])
        sencha = Product.objects.create(name="Sencha", slug="sencha", price=8)
        self.assertEqual(cached_prices(), ["7.00", "8.00"])
        sencha.delete()
        self.assertEqual(cached_prices(), ["7.00"])

    def test_bulk(self):
        """It is made anew after each bulk operation as well."""
        Product.objects.update(price=8)
        self.assertEqual(cached_prices(), ["8.00"])
        Product.objects.bulk_create([Product(name="Sencha", slug="sencha", price=9)])
        self.assertEqual(cached_prices(), ["8.00", "9.00"])
        products = list(Product.objects.all())
        for product in products:
            product.price += 1
        Product.objects.bulk_update(products, ["price"])
        self.assertEqual(cached_prices(), ["9.00", "10.00"])
        Product.objects.filter(slug="sencha").delete()
        self.assertEqual(cached_prices(), ["9.00"])

    def test_update_without_signals(self):
        """What Django's own update() does is not heard: the list is stale."""
        Product.objects.update(price=8, send_signals=False)
        self.assertEqual(cached_prices(), ["6.90"])

    def test_kept_until_commit(self):
        """Until the commit all others read the old list, and it stays cached for them."""
        with transaction.atomic():
            self.tea.price = 7
            self.tea.save()
            self.assertIsNotNone(cache.get(KEY))
        self.assertIsNone(cache.get(KEY))

    def test_rollback(self):
        """A change that is rolled back leaves the cached list alone."""
        made_at = get_price_list()["made_at"]
        with transaction.atomic():
            self.tea.delete()
            transaction.set_rollback(True)
        self.assertEqual(get_price_list()["made_at"], made_at)


class PriceListPageTests(TestCase):
    """The page, as the shop keeper uses it."""

    @classmethod
    def setUpTestData(cls):
        """Make a product and a shop keeper."""
        cls.tea = Product.objects.create(name="Assam", slug="assam", price=Decimal("6.90"))
        cls.keeper = get_user_model().objects.create_superuser("keeper")

    def setUp(self):
        """Begin without a cached list, and leave none."""
        cache.delete(KEY)
        self.addCleanup(cache.delete, KEY)

    def raise_price(self, way):
        """Press one of the buttons; return the page that follows."""
        with self.captureOnCommitCallbacks(execute=True):
            form = {"product": self.tea.pk, "way": way}
            self.client.post("/price-list/raise/", form)
        return self.client.get("/price-list/")

    def test_stale_and_fresh(self):
        """update() without signals makes the page stale, the other ways make it fresh."""
        self.client.force_login(self.keeper)
        self.assertFalse(self.client.get("/price-list/").context["is_stale"])
        for way, is_stale, cached, stored in (
            ("unheard", True, "6.90", "7.00"),
            ("save", False, "7.10", "7.10"),
            ("unheard", True, "7.10", "7.20"),
            ("bulk", False, "7.30", "7.30"),
        ):
            page = self.raise_price(way)
            self.assertIs(page.context["is_stale"], is_stale)
            row = page.context["rows"][0]
            self.assertEqual([str(row[key][1]) for key in ("cached", "stored")], [cached, stored])

    def test_wrong_way(self):
        """A way that there is not changes nothing."""
        self.client.force_login(self.keeper)
        self.raise_price("by hand")
        self.assertEqual(Product.objects.get().price, Decimal("6.90"))

    def test_only_staff(self):
        """Visitors see the list, and no buttons."""
        self.assertNotContains(self.client.get("/price-list/"), "Make dearer")
        self.raise_price("save")
        self.assertEqual(Product.objects.get().price, Decimal("6.90"))
