"""The shop in the admin."""

from django.contrib import admin
from signalscope.admin import SignalScopeHistoryMixin

from shop.models import Order, OrderLine, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products."""

    list_display = ("name", "price")
    prepopulated_fields = {"slug": ("name",)}
    search_fields = ("name",)


class OrderLineInline(admin.TabularInline):
    """The lines of an order, on its page."""

    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(SignalScopeHistoryMixin, admin.ModelAdmin):
    """Orders with their lines; the history of each also has what was done in the shop."""

    list_display = ("__str__", "customer", "status", "total", "placed_at")
    list_filter = ("status",)
    list_select_related = ("customer",)
    inlines = (OrderLineInline,)
