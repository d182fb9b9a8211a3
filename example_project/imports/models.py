"""Articles that are imported, and statistics of them."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from signalscope.bulk import BulkSignalManager


class Article(models.Model):
    """Something that the shop can order from its suppliers; a slug is one article."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    category = models.CharField(max_length=50)
    price = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )

    objects = BulkSignalManager()

    class Meta:
        ordering = ("category", "name")
        # Makes the counting of all categories cheap.
        indexes = (models.Index(fields=["category", "price"], name="imports_article_counting"),)

    def __str__(self):
        return self.name


class CategoryStatistics(models.Model):
    """How many articles a category has, and what they cost together."""

    category = models.CharField(max_length=50, unique=True)
    article_count = models.PositiveIntegerField(default=0)
    price_total = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))

    class Meta:
        ordering = ("category",)
        verbose_name_plural = "category statistics"

    def __str__(self):
        return f"{self.category}: {self.article_count}"
