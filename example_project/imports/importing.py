"""Stores many articles at once."""

from dataclasses import dataclass

from django.db import transaction

from imports.models import Article

FIELDS = ("name", "category", "price")
BATCH_SIZE = 500


@dataclass(frozen=True)
class Result:
    """How many articles an import created, updated, and left as they were."""

    created: int
    updated: int
    unchanged: int

    def __str__(self):
        return f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged"


# What a receiver of bulk signals raises undoes nothing by itself: the transaction does.
@transaction.atomic
def store_articles(articles):
    """Create or update articles by their slugs, all or none; return the Result."""
    slugs = [article.slug for article in articles]
    known = Article.objects.select_for_update().in_bulk(slugs, field_name="slug")
    created = [article for article in articles if article.slug not in known]
    updated = [
        article
        for article in articles
        if article.slug in known and values_of(article) != values_of(known[article.slug])
    ]
    for article in updated:
        article.pk = known[article.slug].pk
    # Signalscope's manager sends bulk_created and bulk_updated, for an empty list neither.
    Article.objects.bulk_create(created, batch_size=BATCH_SIZE)
    Article.objects.bulk_update(updated, FIELDS, batch_size=BATCH_SIZE)
    return Result(len(created), len(updated), len(articles) - len(created) - len(updated))


def values_of(article):
    """Return what an import can change."""
    return [getattr(article, name) for name in FIELDS]
