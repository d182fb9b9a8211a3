"""Addresses of the price list."""

from django.urls import path

from pricelist import views

app_name = "pricelist"

urlpatterns = [
    path("", views.CachedList.as_view(), name="index"),
    path("raise/", views.raise_price, name="raise"),
]
