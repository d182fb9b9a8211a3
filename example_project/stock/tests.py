"""When it is told that an item runs low."""

from decimal import Decimal

import signalscope
from django.contrib.auth import get_user_model
from django.db.models import F
from django.test import TestCase
from signalscope.testing import capture

from shop.models import Product
from shop.orders import place_order
from stock.models import LowStockNotice, StockItem
from stock.receivers import reorder_from_supplier
from stock.signals import stock_low

STOCK_LOW = """\
    stock_low StockItem send_robust
      reorder_from_supplier error stock.receivers.SupplierUnavailable
      partial(notify) ok
"""


class StockTests(TestCase):
    """Each test begins with 12 of one product, whose reorder level is 10."""

    @classmethod
    def setUpTestData(cls):
        """Make two products and a shop keeper."""
        cls.tea = Product.objects.create(name="Assam", slug="assam", price=Decimal("6.90"))
        cls.tin = Product.objects.create(name="Tin", slug="tin", price=Decimal("9.50"))
        StockItem.objects.filter(product=cls.tea).update(quantity=12)
        cls.keeper = get_user_model().objects.create_superuser("keeper")

    def setUp(self):
        """Note what stock_low is sent with, without the receiver that always fails."""
        self.told = []
        stock_low.connect(self.note)
        self.addCleanup(stock_low.disconnect, self.note)
        self.enterContext(signalscope.mute(receiver=reorder_from_supplier))
        self.item = StockItem.objects.get(product=self.tea)

    def note(self, sender, item, **kwargs):
        """Note an item that runs low."""
        self.told.append((item.product.name, item.quantity))

    def save(self, quantity):
        """Save the item with another quantity."""
        self.item.quantity = quantity
        self.item.save()

    def test_once_per_crossing(self):
        """Saves of an item that stays low tell nothing more; after a refill it is told again."""
        for quantity in (10, 9, 8, 8, 3):
            self.save(quantity)
        self.assertEqual(self.told, [("Assam", 9)])
        self.save(10)
        self.save(4)
        self.assertEqual(self.told, [("Assam", 9), ("Assam", 4)])

    def test_queries(self):
        """An item that was told costs its own query and two more, one that did not change none."""
        self.save(5)
        with self.assertNumQueries(3):
            self.item.quantity = 4
            self.item.save(update_fields=["quantity"])
        with self.assertNumQueries(1):
            self.item.save(update_fields=["quantity"])

    def test_reorder_level(self):
        """An item becomes low as well where its reorder level rises above it."""
        self.item.reorder_level = 13
        self.item.save()
        self.assertEqual(self.told, [("Assam", 12)])

    def test_expression(self):
        """A quantity that the database works out is known."""
        self.save(F("quantity") - 5)
        self.assertEqual(self.told, [("Assam", 7)])

    def test_old_instance(self):
        """An instance that knows nothing of the notice does not have it told again."""
        old = StockItem.objects.get(pk=self.item.pk)
        self.save(5)
        old.quantity = 4
        old.save()
        self.assertEqual(self.told, [("Assam", 5)])

    def test_update(self):
        """update() with an expression tells of each item that became low, and of no other."""
        StockItem.objects.update(quantity=F("quantity") - 4)
        self.assertEqual(self.told, [("Assam", 8)])
        StockItem.objects.update(quantity=F("quantity") - 4)
        self.assertEqual(self.told, [("Assam", 8)])
        StockItem.objects.update(quantity=20)
        StockItem.objects.update(quantity=F("quantity") - 15)
        self.assertEqual(self.told, [("Assam", 8), ("Assam", 5), ("Tin", 5)])

    def test_bulk_update_and_create(self):
        """So do bulk_update() and bulk_create()."""
        self.item.quantity = 2
        StockItem.objects.bulk_update([self.item], ["quantity"])
        StockItem.objects.filter(product=self.tin).delete()
        StockItem.objects.bulk_create([StockItem(product=self.tin, quantity=1)])
        self.assertEqual(self.told, [("Assam", 2), ("Tin", 1)])

    def test_update_without_signals(self):
        """What sends no signal is told with the next change that does."""
        StockItem.objects.update(quantity=3, send_signals=False)
        self.assertEqual(self.told, [])
        self.save(2)
        self.assertEqual(self.told, [("Assam", 2)])

    def test_notices(self):
        """There is a notice for each time, open until the refill."""
        self.save(9)
        self.assertEqual(str(LowStockNotice.objects.get(refilled_at=None)), "Only 9 x Assam")
        self.save(30)
        self.assertFalse(LowStockNotice.objects.filter(refilled_at=None).exists())
        self.save(1)
        self.assertEqual(LowStockNotice.objects.count(), 2)

    def test_order_and_cancel(self):
        """An order can make an item low; cancelling it is a refill."""
        order = place_order(self.keeper, self.tea, 5)
        self.assertEqual(self.told, [("Assam", 7)])
        self.client.force_login(self.keeper)
        self.client.post(f"/orders/{order.pk}/cancel/")
        self.assertFalse(LowStockNotice.objects.filter(refilled_at=None).exists())

    def test_page(self):
        """The shop keeper takes and adds; the page shows quantities and notices."""
        self.client.force_login(self.keeper)
        path = f"/stock/{self.item.pk}/move/"
        page = self.client.post(path, {"amount": 4, "direction": -1}, follow=True)
        self.assertContains(page, "There are 8 x Assam now.")
        self.assertContains(page, "Only 8 x Assam")
        self.assertContains(page, "not yet")
        page = self.client.post(path, {"amount": 3, "direction": 1}, follow=True)
        self.assertNotContains(page, "not yet")
        self.assertEqual(
            list(self.item.movements.values_list("change", "reason")),
            [(3, "by keeper"), (-4, "by keeper")],
        )

    def test_page_of_many(self):
        """The buttons of the page change many items by one statement, which is heard."""
        self.client.force_login(self.keeper)
        page = self.client.post("/stock/take-of-all/", follow=True)
        self.assertContains(page, "Took five of 2 products.")
        self.assertEqual(self.told, [("Assam", 7)])
        page = self.client.post("/stock/refill/", follow=True)
        self.assertContains(page, "Refilled 1 products.")
        self.item.refresh_from_db()
        self.assertEqual(self.item.quantity, 20)

    def test_too_many(self):
        """More than there is cannot be taken, nor nothing."""
        self.client.force_login(self.keeper)
        path = f"/stock/{self.item.pk}/move/"
        page = self.client.post(path, {"amount": 13, "direction": -1}, follow=True)
        self.assertContains(page, "There are only 12 of Assam left.")
        page = self.client.post(path, {"amount": 0, "direction": -1}, follow=True)
        self.assertContains(page, "a number from 1 to 999")
        self.assertFalse(self.item.movements.exists())

    def test_only_staff(self):
        """Visitors see the stock, and are sent to the login when they want to change it."""
        self.assertContains(self.client.get("/stock/"), "Assam")
        for path in (f"/stock/{self.item.pk}/move/", "/stock/take-of-all/", "/stock/refill/"):
            response = self.client.post(path, {"amount": 1, "direction": 1})
            self.assertRedirects(response, f"/accounts/login/?next={path}")

    def test_page_queries(self):
        """The page runs two queries, however many items and notices there are."""
        StockItem.objects.update(quantity=1)
        with self.assertNumQueries(2):
            self.client.get("/stock/")


class SupplierTests(TestCase):
    """A receiver that fails."""

    def test_failure(self):
        """The supplier's failure stops nobody; it is logged and stands with the notice."""
        tea = Product.objects.create(name="Assam", slug="assam", price=1)
        with (
            self.assertLogs("django.dispatch", "ERROR") as logs,
            self.assertLogs("stock.receivers", "INFO") as told,
            capture() as seen,
        ):
            StockItem.objects.update(quantity=3)
        self.assertIn("reorder_from_supplier", logs.output[0])
        self.assertIn("To warehouse: only 3 x Assam left.", told.output[0])
        notice = LowStockNotice.objects.get(item=tea.stock_item)
        self.assertEqual(notice.failures, "No answer when ordering more of Assam.")
        self.assertIn(STOCK_LOW, seen.tree())
