"""Who is told what, and what becomes of it."""

from decimal import Decimal

import signalscope
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import TestCase
from signalscope.testing import assert_budget, assert_not_sent, assert_sent

from notifications.models import Follow, Notification
from notifications.signals import product_changed
from shop.models import Product


class NotificationTests(TestCase):
    """Anna and Otto follow sencha; the keeper may change it."""

    @classmethod
    def setUpTestData(cls):
        """Make the product and its followers."""
        users = get_user_model().objects
        cls.anna, cls.otto = users.create(username="anna"), users.create(username="otto")
        cls.keeper = users.create_superuser("demo")
        cls.sencha = Product.objects.create(name="Sencha", slug="sencha", price=Decimal("8.20"))
        Product.objects.create(name="Assam", slug="assam", price=Decimal("6.90"))
        for user in (cls.anna, cls.otto):
            Follow.objects.create(user=user, product=cls.sencha)

    def change(self, user=None, **values):
        """Change sencha in a transaction that is committed."""
        sencha = Product.objects.get(slug="sencha")
        for name, value in values.items():
            setattr(sencha, name, value)
        with (
            self.captureOnCommitCallbacks(execute=True),
            signalscope.SignalContext.use(user=user),
            transaction.atomic(),
        ):
            sencha.save()

    def told(self):
        """Return who was told what."""
        return list(Notification.objects.order_by("user").values_list("user__username", "text"))

    def test_change(self):
        """Each follower is told what has changed, from what to what."""
        self.change(price=Decimal("7.90"), name="Green sencha")
        text = "Name: Sencha → Green sencha; Price: 8.20 → 7.90"
        self.assertEqual(self.told(), [("anna", text), ("otto", text)])

    def test_long_text(self):
        """Of a long text only the beginning is told, of an empty one that it is empty."""
        self.change(description="leaf " * 100)
        text = f"Description: nothing → {'leaf ' * 11}leaf…"
        self.assertEqual(self.told()[0], ("anna", text))

    def test_own_change(self):
        """Who makes a change is not told of it."""
        with assert_sent(product_changed, sender=Product, times=1, user=self.anna):
            self.change(user=self.anna, price=1)
        self.assertEqual([name for name, _ in self.told()], ["otto"])

    def test_no_change(self):
        """A save that changes nothing tells nobody, nor does a new product."""
        with assert_not_sent(product_changed), self.captureOnCommitCallbacks(execute=True):
            Product.objects.get(slug="sencha").save()
            Product.objects.create(name="Tea tin", slug="tea-tin", price=9)
        self.assertEqual(self.told(), [])

    def test_rollback(self):
        """Nobody is told of a change that is rolled back."""
        with (
            self.captureOnCommitCallbacks(execute=True),
            self.assertRaises(ZeroDivisionError),
            transaction.atomic(),
        ):
            self.sencha.price = 1
            self.sencha.save()
            raise ZeroDivisionError
        self.assertEqual(self.told(), [])

    def test_queries(self):
        """Many followers take as many queries as two do: one SELECT and one INSERT."""
        users = get_user_model().objects.bulk_create(
            [get_user_model()(username=f"customer-{number}") for number in range(50)]
        )
        Follow.objects.bulk_create([Follow(user=user, product=self.sencha) for user in users])
        sencha = Product.objects.get(slug="sencha")
        sencha.price = 1
        with (
            assert_budget("notifications.receivers.notify_followers", max_calls=1, max_queries=2),
            self.captureOnCommitCallbacks(execute=True),
        ):
            sencha.save()
        self.assertEqual(Notification.objects.count(), 52)

    def test_page(self):
        """A customer follows, is told over the keeper's page, reads, and follows no longer."""
        self.client.force_login(self.anna)
        self.client.post("/notifications/assam/follow/")
        self.client.post("/notifications/assam/follow/")
        self.client.force_login(self.keeper)
        self.client.post("/notifications/assam/follow/")
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/notifications/assam/price/", {"price": "7.50"})
        self.assertEqual(self.told(), [("anna", "Price: 6.90 → 7.50")])

        self.client.force_login(self.anna)
        self.assertContains(self.client.get("/"), 'title="1 unread"')
        page = self.client.get("/notifications/")
        self.assertContains(page, "Price: 6.90 → 7.50")
        pk = Notification.objects.get().pk
        page = self.client.post(f"/notifications/{pk}/read/", follow=True)
        self.assertNotContains(page, "unread")
        self.assertIsNotNone(Notification.objects.get().read_at)
        page = self.client.post("/notifications/assam/unfollow/", follow=True)
        self.assertContains(page, ">Unfollow<", count=1)

    def test_mark_read_others(self):
        """Nobody marks what others were told."""
        self.change(price=1)
        self.client.force_login(self.anna)
        theirs = Notification.objects.get(user=self.otto)
        self.client.post(f"/notifications/{theirs.pk}/read/")
        self.client.post("/notifications/read/")
        unread = Notification.objects.filter(read_at=None)
        self.assertEqual([notification.user for notification in unread], [self.otto])

    def test_price_refused(self):
        """A price below zero is refused, and customers change none."""
        self.client.force_login(self.keeper)
        page = self.client.post("/notifications/assam/price/", {"price": "-1"}, follow=True)
        self.assertContains(page, "greater than or equal to 0")
        self.client.force_login(self.anna)
        self.client.post("/notifications/assam/price/", {"price": "1"})
        self.assertEqual(Product.objects.get(slug="assam").price, Decimal("6.90"))

    def test_visitors(self):
        """The count in the navigation bar costs visitors no query, and users one."""
        with self.assertNumQueries(0):
            self.client.get("/newsletter/")
        self.client.force_login(self.anna)
        with self.assertNumQueries(3) as queries:
            self.client.get("/newsletter/")
        self.assertIn("notifications_notification", queries.captured_queries[-1]["sql"])
