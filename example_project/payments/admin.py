"""Payments in the admin."""

from django.contrib import admin

from payments.models import LedgerEntry, Payment, Refund


@admin.register(Payment)
class PaymentAdmin(admin.ModelAdmin):
    """Payments."""

    list_display = ("order", "amount", "received_at")
    list_select_related = ("order",)


@admin.register(Refund)
class RefundAdmin(admin.ModelAdmin):
    """Refunds."""

    list_display = ("payment", "made_at")
    list_select_related = ("payment__order",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(admin.ModelAdmin):
    """What is booked."""

    list_display = ("payment", "amount", "booked_at", "idempotency_key")
    list_select_related = ("payment__order",)
