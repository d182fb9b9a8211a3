"""The stock in the admin."""

from django.contrib import admin

from stock.models import LowStockNotice, StockItem, StockMovement


@admin.register(StockItem)
class StockItemAdmin(admin.ModelAdmin):
    """How much there is of each product."""

    list_display = ("product", "quantity", "reorder_level")
    list_select_related = ("product",)


@admin.register(StockMovement)
class StockMovementAdmin(admin.ModelAdmin):
    """What came in and went out."""

    list_display = ("item", "change", "reason", "moved_at")
    list_select_related = ("item__product",)


@admin.register(LowStockNotice)
class LowStockNoticeAdmin(admin.ModelAdmin):
    """What ran low, and whether that is over."""

    list_display = ("item", "quantity", "told_at", "refilled_at")
    list_select_related = ("item__product",)
