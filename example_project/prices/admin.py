"""Prices in the admin."""

from django.contrib import admin

from prices.models import PriceChange, PriceSubscription


@admin.register(PriceChange)
class PriceChangeAdmin(admin.ModelAdmin):
    """What products cost before; nobody changes the past."""

    list_display = ("product", "old", "new", "changed_at")
    list_select_related = ("product",)

    def has_add_permission(self, request):
        """Only a product's change makes one."""
        return False

    def has_change_permission(self, request, obj=None):
        """What was, stays."""
        return False


@admin.register(PriceSubscription)
class PriceSubscriptionAdmin(admin.ModelAdmin):
    """Who is told of which product."""

    list_display = ("product", "subscriber")
    list_select_related = ("product", "subscriber")
