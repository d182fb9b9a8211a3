"""The life of an order: its log, its mails, the stock and the money."""

from io import StringIO

import signalscope
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone
from signalscope.models import Delivery
from signalscope.testing import capture

from fulfilment.life import ship_order
from fulfilment.models import StatusChange
from payments.models import Payment, Refund
from shop.exceptions import OrderRefused
from shop.models import Order, Product
from shop.orders import place_order
from shop.signals import order_status_changed


class FulfilmentTestCase(TestCase):
    """Has a shop, a customer and a shop keeper."""

    @classmethod
    def setUpTestData(cls):
        """Fill the shop."""
        call_command("seed", stdout=StringIO())
        users = get_user_model().objects
        cls.customer = users.create(username="anna", email="anna@example.com")
        cls.keeper = users.get(username="demo")

    def place(self, slug="assam", quantity=2):
        """Return a new order of the customer's."""
        return place_order(self.customer, Product.objects.get(slug=slug), quantity)

    def place_and_pay(self, slug="assam", quantity=2):
        """Return an order that is paid."""
        order = self.place(slug, quantity)
        Payment.objects.create(order=order, amount=order.total)
        return order

    def press(self, name, order):
        """Press a button of the shop keeper's; return the page it leads to."""
        self.client.force_login(self.keeper)
        return self.client.post(reverse(f"fulfilment:{name}", args=[order.pk]), follow=True)

    def in_stock(self, slug):
        """Return how much there is of a product."""
        return Product.objects.get(slug=slug).stock_item.quantity


class LogTests(FulfilmentTestCase):
    """The log of an order."""

    def test_steps(self):
        """Each step of an order is in its log, with who took it, from where, and with what."""
        self.client.force_login(self.customer)
        self.client.post("/products/assam/order/", {"quantity": 1})
        order = Order.objects.get()
        self.client.post(reverse("payments:pay", args=[order.pk]))
        self.client.force_login(self.keeper)
        firefox = "Mozilla/5.0 (X11; rv:140.0) Gecko/20100101 Firefox/140.0"
        page = self.client.post(
            reverse("fulfilment:ship", args=[order.pk]),
            follow=True,
            headers={"user-agent": firefox},
        )
        steps = [(step.old, step.new, step.changed_by) for step in order.status_changes.all()]
        self.assertEqual(
            steps,
            [("", "placed", "anna"), ("placed", "paid", "anna"), ("paid", "shipped", "demo")],
        )
        last = order.status_changes.last()
        self.assertEqual((last.ip_address, last.user_agent), ("127.0.0.1", firefox))
        self.assertContains(page, "Firefox</td>")

    def test_steps_of_a_command(self):
        """A step that no request took says why it was taken."""
        order = self.place_and_pay()
        with signalscope.SignalContext.use(user="cron", reason="nightly shipping"):
            ship_order(order)
        self.assertEqual(order.status_changes.last().changed_by, "nightly shipping")

    def test_refused_order(self):
        """An order that is refused leaves no log and no promise of a mail."""
        with self.assertRaises(OrderRefused):
            self.place("kettle", 99)
        self.assertFalse(StatusChange.objects.exists())
        self.assertFalse(Delivery.objects.exists())

    def test_fixture(self):
        """What a fixture brings is not logged anew."""
        Order(pk=5, customer=self.customer, placed_at=timezone.now()).save_base(raw=True)
        self.assertFalse(StatusChange.objects.exists())


class DeskTests(FulfilmentTestCase):
    """What the shop keeper can do."""

    def test_ship(self):
        """A paid order stands on the desk, with the button that ships it; then no more."""
        order = self.place_and_pay()
        self.client.force_login(self.keeper)
        self.assertContains(self.client.get("/orders/desk/"), f"/orders/{order.pk}/ship/")
        self.assertContains(self.press("ship", order), f"{order} is shipped.")
        order.refresh_from_db()
        self.assertEqual(order.status, Order.Status.SHIPPED)
        self.assertNotContains(self.client.get("/orders/desk/"), f"/orders/{order.pk}/ship/")

    def test_shipping_is_told(self):
        """Who hears of an order's steps is told once, with the old and the new status."""
        order = self.place_and_pay()
        with capture(order_status_changed) as seen:
            ship_order(order)
        seen.assert_sent(order_status_changed, sender=Order, times=1, old="paid", new="shipped")
        seen.assert_received_by("fulfilment.receivers.log_status", times=1)

    def test_ship_what_is_not_paid(self):
        """An order that is not paid is not shipped, and the page says why."""
        order = self.place()
        page = self.press("ship", order)
        self.assertContains(page, f"{order} is placed: it cannot be shipped now.")
        order.refresh_from_db()
        self.assertEqual(order.status, Order.Status.PLACED)

    def test_cancel_and_refund(self):
        """A paid order that is cancelled gives back stock, money and points, once."""
        order = self.place_and_pay("assam", 2)
        self.customer.profile.refresh_from_db()
        self.assertEqual((self.in_stock("assam"), self.customer.profile.points), (118, 13))
        self.assertContains(self.press("cancel", order), f"{order} is cancelled.")
        self.assertContains(self.press("cancel", order), "it cannot be cancelled now.")
        self.customer.profile.refresh_from_db()
        self.assertEqual((self.in_stock("assam"), self.customer.profile.points), (120, 0))
        self.assertEqual(Refund.objects.get().payment.order, order)

    def test_cancel_what_is_shipped(self):
        """What is on its way cannot be called back, and nothing is refunded."""
        order = self.place_and_pay()
        ship_order(order)
        self.assertContains(self.press("cancel", order), f"{order} is shipped:")
        self.assertFalse(Refund.objects.exists())

    def test_customers(self):
        """A customer has no desk and can neither ship nor call off."""
        order = self.place_and_pay()
        self.client.force_login(self.customer)
        self.assertEqual(self.client.get("/orders/desk/").status_code, 302)
        for name in ("ship", "cancel"):
            self.client.post(reverse(f"fulfilment:{name}", args=[order.pk]))
        order.refresh_from_db()
        self.assertEqual(order.status, Order.Status.PAID)
        self.assertNotContains(self.client.get(order.get_absolute_url()), "Cancel and refund")


@override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "inline"}})
class MailTests(FulfilmentTestCase):
    """The mails of an order; the worker runs where its work is handed over, after the commit."""

    def test_confirmation(self):
        """A new order is confirmed, with its lines, once it is committed and not before."""
        with self.captureOnCommitCallbacks(execute=True):
            order = self.place("assam", 2)
            self.assertEqual(mail.outbox, [])
        (sent,) = mail.outbox
        self.assertEqual((sent.subject, sent.to), (f"Thank you ({order})", ["anna@example.com"]))
        self.assertIn("2 x Assam, 100 g: 13.80 €", sent.body)

    def test_shipping(self):
        """A parcel that leaves is told of; of a payment there is no mail."""
        with self.captureOnCommitCallbacks(execute=True):
            order = self.place_and_pay()
        mail.outbox.clear()
        with self.captureOnCommitCallbacks(execute=True):
            ship_order(order)
        subjects = [sent.subject for sent in mail.outbox]
        self.assertEqual(subjects, [f"Your parcel is on its way ({order})"])

    def test_no_address(self):
        """Who has no address gets no mail, and the delivery is done all the same."""
        get_user_model().objects.filter(pk=self.customer.pk).update(email="")
        with self.captureOnCommitCallbacks(execute=True):
            self.place()
        self.assertEqual(mail.outbox, [])
        self.assertEqual(Delivery.objects.get().state, Delivery.State.DONE)

    def test_mail_server_is_away(self):
        """A mail that cannot be sent waits to be tried again; the order stands."""
        refusing = "django.core.mail.backends.smtp.EmailBackend"
        with (
            override_settings(EMAIL_BACKEND=refusing, EMAIL_HOST="127.0.0.1", EMAIL_PORT=1),
            self.assertLogs("signalscope.delivery", "WARNING"),
            self.captureOnCommitCallbacks(execute=True),
        ):
            order = self.place()
        self.assertEqual(Order.objects.get(), order)
        promised = Delivery.objects.get()
        self.assertEqual((promised.state, promised.attempts), (Delivery.State.PENDING, 1))
        self.assertIn("ConnectionRefusedError", promised.last_error)
