"""Payments in the admin."""

from django.contrib import admin

from payments.models import Payment


@admin.register(Payment)
class PaymentAdmin(admin.ModelAdmin):
    """Payments."""

    list_display = ("order", "amount", "received_at")
    list_select_related = ("order",)
