"""Accounts in the admin."""

from django.contrib import admin

from accounts.models import Profile


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin):
    """Customers and their points."""

    list_display = ("user", "points", "login_count")
    list_select_related = ("user",)
