"""Ways to change the articles of a category, for the page to show what each leads to."""

from decimal import Decimal

from django.db.models import F

STEP = Decimal("0.10")


def update(articles):
    """Update the rows: signalscope's manager sends bulk_updated."""
    articles.update(price=F("price") + STEP)


def save(articles):
    """Load and save one: Django sends post_save."""
    article = articles.select_for_update().first()
    article.price += STEP
    article.save(update_fields=["price"])


def delete_one(articles):
    """Delete one: Django sends post_delete."""
    articles.first().delete()


def delete_all(articles):
    """Delete the rows: Django sends post_delete for each, and the manager bulk_deleted."""
    articles.delete()


def unheard(articles):
    """Update the rows as Django's own manager does: nothing is sent."""
    articles.update(price=F("price") + STEP, send_signals=False)


WAYS = {
    "update": update,
    "save": save,
    "delete_one": delete_one,
    "delete_all": delete_all,
    "unheard": unheard,
}
