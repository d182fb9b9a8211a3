"""Counts the articles of each category."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Sum
from django.db.models.functions import Round

from imports.models import Article, CategoryStatistics


@dataclass(frozen=True)
class Numbers:
    """What is known of a category."""

    article_count: int
    price_total: Decimal

    @property
    def average_price(self):
        """The price of one article; None where there is none."""
        return self.price_total / self.article_count if self.article_count else None


NOTHING = Numbers(0, Decimal(0))


def count_articles():
    """Return the numbers of each category, counted now."""
    rows = Article.objects.order_by().values_list("category")
    # Rounded, since SQLite adds up with floats.
    counted = rows.annotate(article_count=Count("pk"), price_total=Round(Sum("price"), 2))
    return {category: Numbers(count, total) for category, count, total in counted}


def read_statistics():
    """Return the numbers of each category as they are stored."""
    return {
        row.category: Numbers(row.article_count, row.price_total)
        for row in CategoryStatistics.objects.all()
    }


@transaction.atomic
def store_statistics():
    """
    Count all categories, and store that; a category without articles stays, with nothing.

    It is done in the transaction that changed articles, so that both are stored or neither.
    """
    known = CategoryStatistics.objects.values("category")
    new = Article.objects.exclude(category__in=known).order_by("category")
    CategoryStatistics.objects.bulk_create(
        [
            CategoryStatistics(category=category)
            for category in new.values_list("category", flat=True).distinct()
        ],
        ignore_conflicts=True,
    )
    # Locked before the counting: of two who change articles at once, the second counts only when
    # the first is done, and then counts what that one has stored, too.
    stored = list(CategoryStatistics.objects.select_for_update().order_by("category"))
    counted = count_articles()
    for row in stored:
        numbers = counted.get(row.category, NOTHING)
        row.article_count, row.price_total = numbers.article_count, numbers.price_total
    CategoryStatistics.objects.bulk_update(stored, ["article_count", "price_total"], batch_size=500)
