"""Imports, and statistics that are right whatever becomes of articles."""

from contextlib import contextmanager
from decimal import Decimal
from unittest import mock

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import SimpleTestCase, TestCase
from signalscope.bulk import bulk_created, bulk_deleted, bulk_updated
from signalscope.testing import capture

from imports import reading
from imports.forms import SAMPLE
from imports.importing import store_articles
from imports.models import Article, CategoryStatistics
from imports.reading import read_articles
from imports.statistics import count_articles, read_statistics, store_statistics

HEADER = "slug,name,category,price\n"


def store(*lines):
    """Import some lines."""
    return store_articles(read_articles(HEADER + "\n".join(lines)))


class ReadingTests(SimpleTestCase):
    """What is read of a text, and what is said of one that is wrong."""

    def problems(self, text):
        """Return the messages for a text."""
        with self.assertRaises(ValidationError) as caught:
            read_articles(text)
        return caught.exception.messages

    def test_columns_in_any_order(self):
        """The first line names the columns; spaces and blank lines say nothing."""
        text = 'Price , name,category,slug\r\n\r\n 6.5,"Assam, strong", Tea ,assam\r\n'
        (article,) = read_articles(text)
        self.assertEqual(
            (article.slug, article.name, article.category, article.price),
            ("assam", "Assam, strong", "Tea", Decimal("6.5")),
        )
        self.assertIsNone(article.pk)

    def test_lines_that_are_wrong(self):
        """Each is named by its number, with the value that is wrong."""
        text = HEADER + "tea,Tea,Tea,cheap\ncup,Cup,Tools,3\ntin,,,2\ntea,Tea,Tea,1,2"
        self.assertEqual(
            self.problems(text),
            [
                "Line 2: price 'cheap': Enter a number.",
                "Line 4: name '': This field is required. category '': This field is required.",
                "Line 5: it has more than 4 values. slug 'tea': It is in line 2 already.",
            ],
        )

    def test_prices_that_are_no_numbers(self):
        """What Python takes for a number is not always a price."""
        for price in ("NaN", "Infinity", "-1", "1e9", "1.234", "6,90"):
            self.assertEqual(len(self.problems(f'{HEADER}tea,Tea,Tea,"{price}"')), 1, price)

    def test_wrong_header(self):
        """Missing or other columns are named, with those that are needed."""
        wanted = "they must be slug, name, category, price, in any order."
        for text, columns in (("", "missing"), ("name,price\n", "name, price")):
            self.assertEqual(self.problems(text), [f"Line 1: the columns are {columns}; {wanted}"])

    def test_no_csv(self):
        """A quote that is not closed ends it."""
        (message,) = self.problems(HEADER + 'tea,"Tea,Tea,1')
        self.assertRegex(message, r"^Line 2: this is no CSV \(.+\)\.$")

    def test_too_many(self):
        """There is a limit, also for messages."""
        lines = "".join(f"tea-{number},Tea,Tea,1\n" for number in range(4))
        with mock.patch.object(reading, "MAX_ARTICLES", 3):
            self.assertIn("There are 4 articles", self.problems(HEADER + lines)[0])
        self.assertIn("There are 0 articles", self.problems(HEADER)[0])
        with mock.patch.object(reading, "MAX_ERRORS", 1):
            messages = self.problems(HEADER + "a\nb\nc\n")
        self.assertEqual(messages[1:], ["2 more lines are wrong."])


class StatisticsTests(TestCase):
    """After each change the stored statistics are those that a count says."""

    def setUp(self):
        """Import three articles."""
        store("assam,Assam,Tea,6.90", "sencha,Sencha,Tea,8.20", "cup,Cup,Tools,14")

    @contextmanager
    def keeps_right(self, **wanted):
        """Expect numbers of articles and the sums of their prices after the block, by category."""
        yield
        stored = read_statistics()
        self.assertEqual(
            {name: (one.article_count, str(one.price_total)) for name, one in stored.items()},
            wanted,
        )
        counted = {name: one for name, one in stored.items() if one.article_count}
        self.assertEqual(counted, count_articles())

    def test_import(self):
        """An import creates what is new, updates what changed, and leaves the rest alone."""
        self.assertEqual(str(read_statistics()["Tea"].average_price), "7.55")
        with (
            self.keeps_right(Tea=(2, "18.20"), Tools=(2, "15.00")),
            capture() as captured,
        ):
            result = store("assam,Assam,Tea,10", "sencha,Sencha,Tea,8.2", "tin,Tin,Tools,1")
        self.assertEqual(str(result), "1 created, 1 updated, 1 unchanged")
        captured.assert_sent(bulk_created, sender=Article, times=1)
        captured.assert_sent(bulk_updated, sender=Article, times=1)

    def test_moved_by_import(self):
        """An article that moves is counted in its new category, and no longer in the old one."""
        with self.keeps_right(Tea=(1, "8.20"), Tools=(1, "14.00"), Gifts=(1, "6.90")):
            store("assam,Assam,Gifts,6.90")

    def test_update(self):
        """update() changes many rows by one statement."""
        with self.keeps_right(Tea=(2, "16.10"), Tools=(1, "14.50")):
            Article.objects.update(price=F("price") + Decimal("0.50"))

    def test_save(self):
        """An article that is saved by itself is counted, where it was and where it is."""
        article = Article.objects.get(slug="assam")
        article.category = "Tools"
        with self.keeps_right(Tea=(1, "8.20"), Tools=(2, "20.90")):
            article.save()
        with self.keeps_right(Tea=(2, "13.20"), Tools=(2, "20.90")):
            Article.objects.create(slug="rooibos", name="Rooibos", category="Tea", price=5)

    def test_delete(self):
        """So is one that is deleted; a category without articles has nothing."""
        with self.keeps_right(Tea=(2, "15.10"), Tools=(0, "0.00")):
            Article.objects.get(slug="cup").delete()
        self.assertIsNone(read_statistics()["Tools"].average_price)

    def test_bulk_delete(self):
        """Many that are deleted at once are counted once, although Django tells of each."""
        with (
            self.keeps_right(Tea=(0, "0.00"), Tools=(0, "0.00")),
            capture() as captured,
        ):
            Article.objects.all().delete()
        captured.assert_sent(bulk_deleted, sender=Article, times=1)
        captured.assert_received_by("imports.receivers.*", times=1)

    def test_rollback(self):
        """With what is rolled back go its statistics."""
        with (
            self.keeps_right(Tea=(2, "15.10"), Tools=(1, "14.00")),
            self.assertRaises(ZeroDivisionError),
            transaction.atomic(),
        ):
            store("tin,Tin,Tools,1")
            raise ZeroDivisionError

    def test_unheard(self):
        """What sends no signals makes them wrong, and counting anew makes them right."""
        Article.objects.filter(category="Tea").update(price=1, send_signals=False)
        self.assertNotEqual(read_statistics(), count_articles())
        with self.keeps_right(Tea=(2, "2.00"), Tools=(1, "14.00")):
            store_statistics()

    def test_many(self):
        """Of many articles the sums are exact, and they are counted once."""
        lines = [f"tea-{number},Tea,Cheap,0.10" for number in range(1000)]
        with (
            self.keeps_right(Tea=(2, "15.10"), Tools=(1, "14.00"), Cheap=(1000, "100.00")),
            capture() as captured,
        ):
            store(*lines)
        captured.assert_received_by("imports.receivers.*", times=1)


class PageTests(TestCase):
    """The page, as the shop keeper uses it."""

    @classmethod
    def setUpTestData(cls):
        """Make a shop keeper."""
        cls.keeper = get_user_model().objects.create_superuser("keeper")

    def setUp(self):
        """Log in."""
        self.client.force_login(self.keeper)

    def compared(self):
        """Return what the page says of each category."""
        rows = self.client.get("/imports/").context["rows"]
        return {row["category"]: row["stored"] == row["counted"] for row in rows}

    def test_keeper_only(self):
        """Customers do not see it."""
        self.client.logout()
        self.assertEqual(self.client.get("/imports/").status_code, 302)
        for path in ("/imports/", "/imports/change/", "/imports/recount/"):
            self.assertEqual(self.client.post(path, {"text": SAMPLE}).status_code, 302)
        self.assertFalse(Article.objects.exists())

    def test_sample(self):
        """What stands in the page can be imported, and again."""
        self.assertContains(self.client.get("/imports/"), "Bamboo whisk")
        for result in ("5 created, 0 updated, 0 unchanged", "0 created, 0 updated, 5 unchanged"):
            page = self.client.post("/imports/", {"text": SAMPLE}, follow=True)
            self.assertContains(page, result)

    def test_wrong_lines(self):
        """Nothing is stored where a line is wrong, and the text stays to be mended."""
        page = self.client.post("/imports/", {"text": f"{SAMPLE}cup,Cup,Tools,dear\n"})
        self.assertContains(page, "Line 7: price &#x27;dear&#x27;: Enter a number.")
        self.assertContains(page, "cup,Cup,Tools,dear")
        self.assertFalse(Article.objects.exists())

    def test_file(self):
        """A file goes before the text; one that cannot be read is told of."""
        for content, message in (
            (b"\xef\xbb\xbf" + HEADER.encode() + b"the,Th\xc3\xa9,Tea,1\n", "1 created"),
            (HEADER.encode() + b"the,Th\xe9,Tea,1\n", "not encoded as UTF-8: byte 32"),
            (b"x" * 1_000_001, "has 1000001 bytes"),
        ):
            file = SimpleUploadedFile("tea.csv", content)
            page = self.client.post("/imports/", {"text": SAMPLE, "file": file}, follow=True)
            self.assertContains(page, message)
        self.assertEqual(Article.objects.get().name, "Thé")

    def test_ways(self):
        """All ways but one keep the statistics right; counting anew mends that."""
        self.client.post("/imports/", {"text": SAMPLE})
        for way, is_right in (
            ("update", True),
            ("save", True),
            ("delete_one", True),
            ("unheard", False),
            ("by hand", False),
        ):
            self.client.post("/imports/change/", {"category": "Green tea", "way": way})
            self.assertEqual(
                self.compared(), {"Black tea": True, "Green tea": is_right, "Tools": True}, way
            )
        self.client.post("/imports/recount/")
        self.assertTrue(all(self.compared().values()))
        self.client.post("/imports/change/", {"category": "Green tea", "way": "delete_all"})
        self.assertFalse(Article.objects.filter(category="Green tea").exists())
        self.assertTrue(all(self.compared().values()))
        self.assertEqual(CategoryStatistics.objects.get(category="Green tea").article_count, 0)

    def test_at_the_same_time(self):
        """Whoever imports what another one stores meanwhile is told to do it once more."""
        with mock.patch("imports.views.store_articles", side_effect=IntegrityError):
            page = self.client.post("/imports/", {"text": SAMPLE})
        self.assertContains(page, "Import it once more.")
