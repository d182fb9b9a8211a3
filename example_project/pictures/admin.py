"""Pictures in the admin."""

from django.contrib import admin

from pictures.forms import PictureForm
from pictures.models import Picture


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    """Pictures, and what is wrong with them."""

    form = PictureForm
    fields = ("product", "image", "state", "problem", "uploaded_at")
    readonly_fields = ("state", "problem", "uploaded_at")
    list_display = ("product", "state", "problem", "uploaded_at")
    list_filter = ("state",)
    list_select_related = ("product",)
