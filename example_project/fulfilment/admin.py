"""The log of orders in the admin."""

from django.contrib import admin

from fulfilment.models import StatusChange


@admin.register(StatusChange)
class StatusChangeAdmin(admin.ModelAdmin):
    """Steps of orders: to be read, not to be changed."""

    list_display = ("order", "old", "new", "changed_at", "changed_by", "ip_address")
    list_filter = ("new",)
    list_select_related = ("order",)

    def has_add_permission(self, request):
        """Let nobody add a step: receivers do."""
        return False

    def has_change_permission(self, request, obj=None):
        """Let nobody change what was noted."""
        return False
