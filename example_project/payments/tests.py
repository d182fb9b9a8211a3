"""Payments and refunds, and how they reach the ledger."""

from io import StringIO
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.urls import reverse
from signalscope.models import Delivery

from fulfilment.life import call_off
from payments import ledger
from payments.models import LedgerEntry, Outage, Payment
from shop.models import Product
from shop.orders import place_order

State = Delivery.State


@override_settings(LEDGER_ANSWER_S=0)
class LedgerTestCase(TestCase):
    """Has a shop and a customer who pays."""

    @classmethod
    def setUpTestData(cls):
        """Fill the shop."""
        call_command("seed", stdout=StringIO())
        cls.customer = get_user_model().objects.create(username="anna")
        cls.keeper = get_user_model().objects.get(username="demo")

    def pay(self):
        """Return a payment for a new order."""
        order = place_order(self.customer, Product.objects.get(slug="assam"), 2)
        return Payment.objects.create(order=order, amount=order.total)

    def deliveries(self):
        """Return the state and the attempts of each promise to book, the oldest first."""
        rows = Delivery.objects.filter(queue="ledger").order_by("pk")
        return list(rows.values_list("state", "attempts"))

    def amounts(self):
        """Return what is booked, as texts, the oldest first."""
        return [str(entry.amount) for entry in LedgerEntry.objects.order_by("pk")]


@override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "inline"}})
class BookingTests(LedgerTestCase):
    """Bookings; the worker runs where its work is handed over, after the commit."""

    def test_payment_is_booked(self):
        """A payment is promised with its row, and booked after the commit."""
        with self.captureOnCommitCallbacks(execute=True):
            payment = self.pay()
            self.assertEqual(self.deliveries(), [(State.PENDING, 0)])
            self.assertEqual(self.amounts(), [])
        self.assertEqual(self.amounts(), ["13.80"])
        entry = payment.ledger_entries.get()
        self.assertEqual(entry.idempotency_key, Delivery.objects.get(queue="ledger").key)

    def test_refund_is_booked(self):
        """The payment of an order that is called off is booked back."""
        with self.captureOnCommitCallbacks(execute=True):
            payment = self.pay()
            call_off(payment.order)
        self.assertEqual(self.amounts(), ["13.80", "-13.80"])

    def test_one_key_books_once(self):
        """What is asked for again with the same key is booked once."""
        payment, key = self.pay(), uuid4()
        for _ in range(2):
            ledger.book(payment, payment.amount, key)
        self.assertEqual(self.amounts(), ["13.80"])

    def test_service_is_away(self):
        """While the service does not answer the payment stands, and its booking waits."""
        Outage.objects.create()
        with (
            self.assertLogs("signalscope.delivery", "WARNING"),
            self.captureOnCommitCallbacks(execute=True),
        ):
            payment = self.pay()
        self.assertEqual(payment.order.status, "paid")
        self.assertEqual(self.deliveries(), [(State.PENDING, 1)])
        self.assertEqual(self.amounts(), [])


# Nothing is left to a backend: what is promised is due for any worker at once.
@override_settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 0}})
class LedgerPageTests(LedgerTestCase):
    """The page of the ledger, on which the shop keeper runs the worker."""

    def setUp(self):
        """Pay, and log in as the shop keeper."""
        self.payment = self.pay()
        self.client.force_login(self.keeper)

    def press(self, name, *args):
        """Press a button; return the page."""
        return self.client.post(reverse(f"payments:{name}", args=args), follow=True)

    def test_run_worker(self):
        """A promise is pending until the worker runs, and done after that."""
        page = self.client.get("/ledger/")
        self.assertContains(page, '<span class="status pending">pending</span>', html=True)
        self.assertNotContains(page, "13.80 €")
        page = self.press("run_worker")
        self.assertContains(page, "Delivered: done 1.")
        self.assertContains(page, '<span class="status done">done</span>', html=True)
        self.assertContains(page, "13.80 €")

    def test_outage(self):
        """A booking that fails says why, waits, and can be tried at once when all is well."""
        self.assertContains(self.press("outage"), "The service does not answer")
        with self.assertLogs("signalscope.delivery", "WARNING"):
            page = self.press("run_worker")
        self.assertContains(page, "LedgerUnavailable")
        self.assertNotContains(self.press("outage"), "The service does not answer")
        key = Delivery.objects.get(queue="ledger").key
        self.assertContains(self.press("try_now", key), "Delivered: done 1.")
        self.assertEqual(self.amounts(), ["13.80"])

    def test_failed_for_good(self):
        """A booking that has failed too often stays, until somebody lets it be tried again."""
        Delivery.objects.filter(queue="ledger").update(max_attempts=1)
        Outage.objects.create()
        with self.assertLogs("signalscope.delivery", "WARNING"):
            page = self.press("run_worker")
        self.assertContains(page, '<span class="status failed">failed</span>', html=True)
        self.assertEqual(self.deliveries(), [(State.FAILED, 1)])
        Outage.objects.all().delete()
        self.press("try_now", Delivery.objects.get(queue="ledger").key)
        self.assertEqual(self.deliveries(), [(State.DONE, 1)])

    def test_customers(self):
        """A customer sees what is booked of the own payments, and runs nothing."""
        self.press("run_worker")
        self.client.force_login(self.customer)
        self.assertContains(self.client.get("/ledger/"), "13.80 €")
        self.assertEqual(self.press("outage").redirect_chain[0][1], 302)
        self.assertFalse(Outage.objects.exists())
        self.client.force_login(get_user_model().objects.create(username="otto"))
        page = self.client.get("/ledger/")
        self.assertNotContains(page, "13.80 €")
        self.assertNotContains(page, "Run the worker")
