"""Bundles in the admin."""

from django.contrib import admin

from bundles.models import Bundle, Part


class PartInline(admin.TabularInline):
    """The parts of a bundle, on its page."""

    model = Part
    extra = 0


@admin.register(Bundle)
class BundleAdmin(admin.ModelAdmin):
    """Bundles with their parts."""

    list_display = ("name", "last_modified", "touch_count")
    inlines = (PartInline,)
