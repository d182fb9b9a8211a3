"""Alerts in the admin."""

from django.contrib import admin

from alerts.models import Alert


@admin.register(Alert)
class AlertAdmin(admin.ModelAdmin):
    """What was raised, and when it was posted."""

    list_display = ("text", "level", "raised_at", "posted_at")
    list_filter = ("level",)
