"""The search index in the admin."""

from django.contrib import admin

from search.models import SearchEntry


@admin.register(SearchEntry)
class SearchEntryAdmin(admin.ModelAdmin):
    """What is found of each product."""

    list_display = ("product", "indexed_at")
    list_select_related = ("product",)
    search_fields = ("text",)
