"""What customers can do in the shop, and what the other apps make of it."""

from io import StringIO

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import TestCase
from django.urls import reverse

from shop.models import Order, Product


class ShopTests(TestCase):
    """The pages, as a customer uses them."""

    @classmethod
    def setUpTestData(cls):
        """Fill the shop."""
        call_command("seed", stdout=StringIO())
        cls.customer = get_user_model().objects.create(username="anna")

    def setUp(self):
        """Log in."""
        self.client.force_login(self.customer)

    def place_order(self, slug="assam", quantity=2):
        """Order a product over its page; return the order."""
        self.client.post(reverse("shop:order_product", args=[slug]), {"quantity": quantity})
        return Order.objects.first()

    def in_stock(self, slug):
        """Return how much there is of a product."""
        return Product.objects.get(slug=slug).stock_item.quantity

    def test_seed_again_restocks(self):
        """Seeding again makes nothing twice, and fills the stock."""
        self.place_order("kettle", 2)
        call_command("seed", stdout=StringIO())
        self.assertEqual(Product.objects.count(), 8)
        self.assertEqual(self.in_stock("kettle"), 6)

    def test_pages(self):
        """All pages can be read, with and without being logged in."""
        order = self.place_order()
        public = ["/", "/products/assam/", "/newsletter/", "/pulse/"]
        public += ["/accounts/login/", "/accounts/sign-up/"]
        own = ["/orders/", order.get_absolute_url(), "/accounts/profile/"]
        for path in public + own:
            with self.subTest(path=path, is_logged_in=True):
                self.assertEqual(self.client.get(path).status_code, 200)
        self.client.logout()
        for path in public:
            with self.subTest(path=path, is_logged_in=False):
                self.assertEqual(self.client.get(path).status_code, 200)
        for path in own:
            with self.subTest(path=path, is_logged_in=False):
                self.assertEqual(self.client.get(path).status_code, 302)

    def test_order_takes_from_stock(self):
        """An order reserves what was ordered, at the price of the day."""
        order = self.place_order("assam", 2)
        self.assertEqual(str(order.total), "13.80")
        self.assertEqual(self.in_stock("assam"), 118)

    def test_order_of_too_many(self):
        """An order of more than there is stores nothing, and says why."""
        response = self.client.post("/products/kettle/order/", {"quantity": 99}, follow=True)
        self.assertContains(response, "There are only 6 of Cast-iron kettle left.")
        self.assertFalse(Order.objects.exists())

    def test_order_of_nothing(self):
        """The form says what is wrong with it."""
        response = self.client.post("/products/kettle/order/", {"quantity": 0})
        self.assertContains(response, "greater than or equal to 1")

    def test_order_that_empties_the_stock(self):
        """That the supplier does not answer does not stop an order."""
        with self.assertLogs("django.dispatch", "ERROR") as logs:
            order = self.place_order("kettle", 2)
        self.assertEqual(order.status, Order.Status.PLACED)
        self.assertIn("reorder_from_supplier", logs.output[0])

    def test_payment_moves_order_on(self):
        """A payment makes the order paid and gives points, by way of four signals."""
        order = self.place_order("assam", 2)
        self.client.post(reverse("payments:pay", args=[order.pk]))
        order.refresh_from_db()
        self.customer.profile.refresh_from_db()
        self.assertEqual(order.status, Order.Status.PAID)
        self.assertEqual(self.customer.profile.points, 13)

    def test_paid_order_cannot_be_cancelled(self):
        """A paid order stays paid, and is not paid twice."""
        order = self.place_order()
        for name in ("payments:pay", "payments:pay", "shop:cancel"):
            self.client.post(reverse(name, args=[order.pk]))
        order.refresh_from_db()
        self.assertEqual(order.status, Order.Status.PAID)
        self.assertEqual(order.payments.count(), 1)

    def test_cancel_returns_stock(self):
        """What a cancelled order had reserved can be sold again."""
        order = self.place_order("assam", 2)
        self.client.post(reverse("shop:cancel", args=[order.pk]))
        self.assertEqual(self.in_stock("assam"), 120)

    def test_orders_of_others(self):
        """Nobody sees, pays or cancels what another customer ordered."""
        order = self.place_order()
        self.client.force_login(get_user_model().objects.create(username="otto"))
        self.assertEqual(self.client.get(order.get_absolute_url()).status_code, 404)
        for name in ("payments:pay", "shop:cancel"):
            response = self.client.post(reverse(name, args=[order.pk]))
            self.assertEqual(response.status_code, 404)

    def test_pulse(self):
        """The page shows what sync and async receivers answer."""
        self.place_order()
        response = self.client.get("/pulse/")
        for text in ("Open orders", "Parcels leave at", "Best seller"):
            self.assertContains(response, text)

    def test_newsletter(self):
        """Asking for the newsletter works, although nobody hears of it."""
        response = self.client.post("/newsletter/", {"email": "a@example.com"}, follow=True)
        self.assertContains(response, "Thank you.")
