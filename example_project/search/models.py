"""An index of words, as a search server would have it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class SearchEntryQuerySet(models.QuerySet):
    """Entries to search in."""

    def search(self, words):
        """Return the entries that have all words of a text; of no words, none."""
        wanted = [Q(text__contains=word) for word in words.lower().split()]
        return self.filter(*wanted) if wanted else self.none()


class SearchEntry(models.Model):
    """What is found of one product."""

    # As with a search server, the database does not know that the one is about the other:
    # entries of deleted products go with the next batch.
    product = models.OneToOneField(
        "shop.Product",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="search_entry",
    )
    text = models.TextField()
    indexed_at = models.DateTimeField(default=timezone.now)

    objects = SearchEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self):
        return self.text
