"""Addresses of payments."""

from django.urls import path

from payments import views

app_name = "payments"

urlpatterns = [path("orders/<int:pk>/pay/", views.pay, name="pay")]
