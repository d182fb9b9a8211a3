"""What is found, and how little is done for it."""

import signalscope
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from signalscope.delivery.processor import flush_all

from search.models import SearchEntry
from search.tally import tally
from shop.models import Product


@override_settings(SEARCH_AUTOSYNC=True)
class SearchTests(TestCase):
    """The index follows the products; batches run when a test says so."""

    def setUp(self):
        """Count from nothing, and leave nothing waiting."""
        flush_all()
        tally.clear()
        self.addCleanup(flush_all)
        with self.committed():
            self.kettle = Product.objects.create(
                name="Kettle", slug="kettle", price=79, description="Keeps WARM for an hour."
            )
            self.tin = Product.objects.create(name="Tea tin", slug="tea-tin", price=9)
        flush_all()
        tally.clear()

    def committed(self):
        """Return a block at whose end all is committed, as far as a TestCase can."""
        return self.captureOnCommitCallbacks(execute=True)

    def found(self, words):
        """Return the names of the products that the page finds."""
        response = self.client.get("/search/", {"q": words})
        return {entry.product.name for entry in response.context["entries"]}

    def test_search(self):
        """Products are found by all of some words of their names and descriptions."""
        self.assertEqual(self.found("kettle"), {"Kettle"})
        self.assertEqual(self.found("warm KETTLE"), {"Kettle"})
        self.assertEqual(self.found("warm tin"), set())
        self.assertEqual(self.found("t"), {"Kettle", "Tea tin"})
        self.assertEqual(self.found(" "), set())

    def test_coalesced(self):
        """However often products are saved, a batch indexes each once, by one write for all."""
        with self.committed():
            for number in range(5):
                self.kettle.name = f"Kettle no. {number}"
                self.kettle.save()
                self.tin.save()
        self.assertEqual(tally.read()["waiting"], {self.kettle.pk: 5, self.tin.pk: 5})
        with CaptureQueriesContext(connection) as queries:
            self.assertEqual(flush_all(), 2)
        writes = [one["sql"] for one in queries if "search_searchentry" in one["sql"]]
        self.assertEqual(len(writes), 1)
        self.assertEqual(self.found("no. 4"), {"Kettle no. 4"})
        counts = tally.read()
        self.assertEqual((counts["change_count"], counts["update_count"]), (10, 2))
        self.assertEqual((counts["waiting"], counts["is_busy"]), ({}, False))

    def test_delete(self):
        """A deleted product is found no longer, at once on the page and then in the index."""
        with self.committed():
            self.kettle.save()
            Product.objects.filter(name="Kettle").delete()
        self.assertEqual(self.found("kettle"), set())
        self.assertEqual(SearchEntry.objects.count(), 2)
        self.assertContains(self.client.get("/search/"), "A product that is deleted: 2")
        flush_all()
        self.assertEqual(SearchEntry.objects.get().product, self.tin)

    def test_rollback(self):
        """What is rolled back is not indexed."""
        with self.committed(), self.assertRaises(ZeroDivisionError), transaction.atomic():
            self.kettle.save()
            raise ZeroDivisionError
        self.assertEqual(flush_all(), 0)
        self.assertEqual(tally.read()["change_count"], 0)

    def test_off(self):
        """Where the setting is off, or the receiver is muted, nothing is indexed."""
        with self.committed(), override_settings(SEARCH_AUTOSYNC=False):
            self.kettle.save()
        with self.committed(), signalscope.mute(receiver="search.receivers.reindex"):
            self.kettle.save()
        self.assertEqual(flush_all(), 0)

    def test_page(self):
        """The keeper saves all three times, sees what waits, and has it indexed at once."""
        self.client.force_login(get_user_model().objects.create_superuser("demo"))
        with self.committed():
            self.client.post("/search/save-all/")
        page = self.client.get("/search/")
        self.assertContains(page, "Tea tin: 3 changes")
        self.assertEqual(page["Refresh"], "1")
        page = self.client.post("/search/flush/", follow=True)
        self.assertContains(page, "What waited is indexed now.")
        self.assertContains(page, '<td class="number">6</td><td class="number">2</td>')
        self.assertNotIn("Refresh", page)
        page = self.client.post("/search/flush/", follow=True)
        self.assertContains(page, "Nothing waits")

    def test_keepers_only(self):
        """Everybody searches; only the keeper saves products."""
        self.client.force_login(get_user_model().objects.create(username="anna"))
        self.assertNotContains(self.client.get("/search/"), "Reindex now")
        for path in ("/search/save-all/", "/search/flush/"):
            self.assertEqual(self.client.post(path).status_code, 302)
        self.assertEqual(tally.read()["change_count"], 0)
