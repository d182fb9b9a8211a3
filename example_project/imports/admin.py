"""Articles in the admin, where each is saved by itself."""

from django.contrib import admin

from imports.models import Article


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    """What can be ordered from suppliers."""

    list_display = ("name", "category", "price")
    list_filter = ("category",)
    search_fields = ("name", "slug")
