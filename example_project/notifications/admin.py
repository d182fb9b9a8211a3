"""Notifications in the admin."""

from django.contrib import admin

from notifications.models import Follow, Notification


@admin.register(Follow)
class FollowAdmin(admin.ModelAdmin):
    """Who follows what."""

    list_display = ("user", "product")
    list_select_related = ("user", "product")


@admin.register(Notification)
class NotificationAdmin(admin.ModelAdmin):
    """What followers were told."""

    list_display = ("created_at", "user", "product", "text", "read_at")
    list_select_related = ("user", "product")
    date_hierarchy = "created_at"
