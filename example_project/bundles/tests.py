"""How often a bundle is touched by its parts."""

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from bundles.models import Bundle, Part
from shop.models import Product


def make_products(count):
    """Store and return so many products."""
    return [
        Product.objects.create(name=f"Tea {number}", slug=f"tea-{number}", price=Decimal(number))
        for number in range(count)
    ]


class TouchTests(TransactionTestCase):
    """Touches, with transactions that are really committed."""

    def setUp(self):
        """Make a bundle of three parts, as if nothing had touched it yet."""
        self.products = make_products(3)
        self.bundle = Bundle.objects.create(name="Tea for two")
        for product in self.products:
            self.bundle.parts.create(product=product)
        Bundle.objects.update(touch_count=0)
        self.bundle.refresh_from_db()

    def touch_count(self, bundle=None):
        """Return how often a bundle was touched."""
        return Bundle.objects.get(pk=(bundle or self.bundle).pk).touch_count

    def change_all(self):
        """Change each part, one after another."""
        for part in self.bundle.parts.all():
            part.quantity += 1
            part.save()

    def test_once_per_transaction(self):
        """Many changes of a transaction touch the bundle once, after the commit."""
        with transaction.atomic():
            self.change_all()
            self.bundle.parts.first().delete()
            self.bundle.parts.create(product=self.products[0])
            self.assertEqual(self.touch_count(), 0)
        self.assertEqual(self.touch_count(), 1)
        touched = Bundle.objects.get()
        self.assertGreater(touched.last_modified, self.bundle.last_modified)

    def test_next_transaction(self):
        """The next transaction touches it again, and so does each change outside of one."""
        for _ in range(2):
            with transaction.atomic():
                self.change_all()
        self.assertEqual(self.touch_count(), 2)
        self.change_all()
        self.assertEqual(self.touch_count(), 5)

    def test_one_update(self):
        """However many parts are changed, one statement more is run."""
        parts = list(self.bundle.parts.all())
        # BEGIN, one UPDATE of each part, COMMIT, and the UPDATE of the bundle.
        with self.assertNumQueries(len(parts) + 3), transaction.atomic():
            for part in parts:
                part.quantity += 1
                part.save()

    def test_rollback(self):
        """What is rolled back touches nothing, and does not keep the next one from it."""
        with transaction.atomic():
            self.change_all()
            transaction.set_rollback(True)
        self.assertEqual(self.touch_count(), 0)
        with transaction.atomic():
            self.change_all()
        self.assertEqual(self.touch_count(), 1)

    def test_savepoint_rolled_back(self):
        """A savepoint that is rolled back takes its touch with it, and no other one."""
        with transaction.atomic(), transaction.atomic():
            self.change_all()
            transaction.set_rollback(True)
        self.assertEqual(self.touch_count(), 0)
        with transaction.atomic():
            with transaction.atomic():
                self.change_all()
                transaction.set_rollback(True)
            self.change_all()
            with transaction.atomic():
                self.change_all()
                transaction.set_rollback(True)
        self.assertEqual(self.touch_count(), 1)

    def test_unchanged_part(self):
        """A part that is saved as it was touches nothing."""
        self.bundle.parts.first().save()
        self.assertEqual(self.touch_count(), 0)

    def test_part_moves(self):
        """A part that moves to another bundle touches both."""
        other = Bundle.objects.create(name="Tea for one")
        part = self.bundle.parts.first()
        part.bundle = other
        part.save()
        self.assertEqual([self.touch_count(), self.touch_count(other)], [1, 1])

    def test_other_bundles(self):
        """The same transaction touches each bundle whose parts it changes, and no other."""
        other, untouched = (Bundle.objects.create(name=name) for name in ("One", "Two"))
        with transaction.atomic():
            self.change_all()
            other.parts.create(product=self.products[0])
        counts = [self.touch_count(bundle) for bundle in (self.bundle, other, untouched)]
        self.assertEqual(counts, [1, 1, 0])

    def test_bundle_deleted(self):
        """A bundle goes with its parts; that a product goes touches its bundles."""
        self.products[0].delete()
        self.assertEqual(self.touch_count(), 1)
        self.bundle.delete()
        self.assertFalse(Part.objects.exists())


class BundlePageTests(TestCase):
    """The pages, as the shop keeper uses them."""

    def test_captured_commits(self):
        """In a test that commits nothing each captured transaction counts by itself."""
        product = make_products(1)[0]
        bundle = Bundle.objects.create(name="Tea for two")
        for _ in range(2):
            with self.captureOnCommitCallbacks(execute=True):
                bundle.parts.create(product=product)
                bundle.parts.create(product=product)
        bundle.refresh_from_db()
        self.assertEqual(bundle.touch_count, 2)

    def test_edit(self):
        """Several parts are saved at once, and the page says that it was one update."""
        products = make_products(2)
        self.client.force_login(get_user_model().objects.create_superuser("keeper"))
        self.assertContains(self.client.get("/bundles/"), "There is no bundle yet.")
        page = self.client.post("/bundles/new/", {"name": "Tea for two"}, follow=True)
        bundle = Bundle.objects.get()
        self.assertContains(page, "Tea for two")
        form = {"parts-TOTAL_FORMS": 2, "parts-INITIAL_FORMS": 0}
        for number, product in enumerate(products):
            form |= {f"parts-{number}-product": product.pk, f"parts-{number}-quantity": 2}
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            self.client.post(f"/bundles/{bundle.pk}/", form)
        self.assertEqual(len(callbacks), 1)
        bundle.refresh_from_db()
        self.assertEqual(bundle.touch_count, 1)
        self.assertContains(self.client.get("/bundles/"), "2 x Tea 0; 2 x Tea 1")

    def test_wrong_part(self):
        """A part of no pieces is refused, and the page says why."""
        product = make_products(1)[0]
        bundle = Bundle.objects.create(name="Tea for two")
        self.client.force_login(get_user_model().objects.create_superuser("keeper"))
        form = {"parts-TOTAL_FORMS": 1, "parts-INITIAL_FORMS": 0}
        form |= {"parts-0-product": product.pk, "parts-0-quantity": 0}
        page = self.client.post(f"/bundles/{bundle.pk}/", form)
        self.assertContains(page, "greater than or equal to 1")
        self.assertFalse(Part.objects.exists())

    def test_only_staff(self):
        """Visitors see the bundles, and are sent to the login when they want to change them."""
        bundle = Bundle.objects.create(name="Tea for two")
        self.assertContains(self.client.get("/bundles/"), "Tea for two")
        for path in (f"/bundles/{bundle.pk}/", "/bundles/new/"):
            response = self.client.post(path, {"name": "Mine"})
            self.assertRedirects(response, f"/accounts/login/?next={path}")
        self.assertEqual(Bundle.objects.count(), 1)
