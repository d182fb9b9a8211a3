"""Who hears of a price, and what is kept of it."""

from decimal import Decimal

import signalscope
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import transaction
from django.test import TestCase, override_settings
from signalscope.testing import assert_sent

from prices.models import PriceChange
from prices.receivers import tell_subscribers
from prices.signals import price_changed
from shop.models import Product


class BrokenBackend:
    """A mail server that is down."""

    def __init__(self, **kwargs):
        """Take whatever settings there are."""

    def send_messages(self, messages):
        """Fail."""
        raise ConnectionError("the mail server is down")


class PriceTests(TestCase):
    """Prices, as the shop keeper sets them and customers hear of them."""

    @classmethod
    def setUpTestData(cls):
        """Make a product, a shop keeper and a customer."""
        cls.tea = Product.objects.create(name="Assam", slug="assam", price=Decimal("9.50"))
        users = get_user_model().objects
        cls.keeper = users.create_superuser("keeper", "keeper@example.com")
        cls.anna = users.create(username="anna", email="anna@example.com")

    def history(self):
        """Return old and new price of each change, the newest first."""
        return [(str(change.old), str(change.new)) for change in PriceChange.objects.all()]

    def set_price(self, price):
        """Set the price over the page, as the shop keeper; commit, and return the answer."""
        self.client.force_login(self.keeper)
        with self.captureOnCommitCallbacks(execute=True):
            return self.client.post("/prices/assam/set/", {"price": price}, follow=True)

    def subscribe(self, user):
        """Subscribe to the product over the page."""
        self.client.force_login(user)
        return self.client.post("/prices/assam/subscribe/", follow=True)

    def test_change(self):
        """A new price is told once, and is in the history and on the page."""
        told = {"product": self.tea, "old": Decimal("9.50"), "new": Decimal("8.20")}
        with assert_sent(price_changed, sender=Product, times=1, **told):
            page = self.set_price("8.20")
        self.assertEqual(self.history(), [("9.50", "8.20")])
        self.assertContains(page, "9.50 → 8.20 €")

    def test_same_price(self):
        """The same price, written in another way, is no change."""
        self.subscribe(self.anna)
        self.set_price("9.5")
        tea = Product.objects.get()
        tea.price = "9.5"
        tea.save()
        self.assertEqual(self.history(), [])
        self.assertEqual(mail.outbox, [])

    def test_other_field(self):
        """Another name is no other price."""
        self.tea.name = "Assam, 100 g"
        self.tea.save()
        self.assertEqual(self.history(), [])

    def test_new_product_and_fixture(self):
        """A new product has no history, and what a fixture stores tells nobody."""
        tea = Product.objects.create(name="Sencha", slug="sencha", price=5)
        tea.price = 6
        tea.save_base(raw=True)
        self.assertEqual(self.history(), [])

    def test_subscribers_get_a_mail(self):
        """Who subscribed gets a mail of their own; nobody else does."""
        self.subscribe(self.anna)
        self.subscribe(self.anna)
        self.set_price("8.20")
        self.assertEqual([message.to for message in mail.outbox], [["anna@example.com"]])
        self.assertEqual(mail.outbox[0].subject, "Assam: 8.20 €")
        self.assertEqual(mail.outbox[0].body, "Assam was 9.50 € and is 8.20 € now.")

    def test_unsubscribe(self):
        """Who unsubscribed gets no more mails."""
        self.subscribe(self.anna)
        self.client.post("/prices/assam/unsubscribe/")
        self.set_price("8.20")
        self.assertEqual(mail.outbox, [])

    def test_subscribe_without_address(self):
        """An account without an address is told so."""
        page = self.subscribe(get_user_model().objects.create(username="otto"))
        self.assertContains(page, "no e-mail address")
        self.assertFalse(self.tea.price_subscriptions.exists())

    def test_rollback(self):
        """A price that is rolled back is neither kept nor mailed."""
        self.subscribe(self.anna)
        with self.captureOnCommitCallbacks(execute=True):
            with transaction.atomic():
                self.tea.price = 1
                self.tea.save()
                self.assertEqual(self.history(), [("9.50", "1.00")])
                transaction.set_rollback(True)
            self.assertEqual(self.history(), [])
        self.assertEqual(mail.outbox, [])

    @override_settings(EMAIL_BACKEND="prices.tests.BrokenBackend")
    def test_mail_server_down(self):
        """The price counts although nobody can be told; the error is logged."""
        self.subscribe(self.anna)
        with self.assertLogs("django", "ERROR") as logs:
            self.assertContains(self.set_price("8.20"), "costs 8.20 €")
        self.assertIn("the mail server is down", logs.output[0])
        self.assertEqual(self.history(), [("9.50", "8.20")])

    def test_muted(self):
        """A receiver can be muted where nobody is to be told; the history is kept."""
        self.subscribe(self.anna)
        with signalscope.mute(receiver=tell_subscribers):
            self.set_price("8.20")
        self.assertEqual(mail.outbox, [])
        self.assertEqual(len(self.history()), 1)

    def test_wrong_price(self):
        """A price below nothing is refused, and the page says why."""
        page = self.set_price("-1")
        self.assertContains(page, "greater than or equal to 0")
        self.assertEqual(Product.objects.get().price, Decimal("9.50"))

    def test_only_staff_sets_prices(self):
        """Customers and visitors are sent to the login."""
        for user in (None, self.anna):
            self.client.logout()
            if user:
                self.client.force_login(user)
            response = self.client.post("/prices/assam/set/", {"price": "1"})
            self.assertRedirects(response, "/accounts/login/?next=/prices/assam/set/")
            page = self.client.get("/prices/")
            self.assertNotContains(page, "New price")
        self.assertEqual(Product.objects.get().price, Decimal("9.50"))

    def test_page_queries(self):
        """The page runs no query per product."""
        for number in range(5):
            Product.objects.create(name=f"Tea {number}", slug=f"tea-{number}", price=number)
        with self.assertNumQueries(3):
            self.client.get("/prices/")
