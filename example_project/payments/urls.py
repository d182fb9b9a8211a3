"""Addresses of payments."""

from django.urls import path

from payments import views

app_name = "payments"

urlpatterns = [
    path("orders/<int:pk>/pay/", views.pay, name="pay"),
    path("ledger/", views.LedgerPage.as_view(), name="ledger"),
    path("ledger/run/", views.run_worker, name="run_worker"),
    path("ledger/outage/", views.toggle_outage, name="outage"),
    path("ledger/<uuid:key>/try/", views.try_now, name="try_now"),
]
