"""Addresses of the stock."""

from django.urls import path

from stock import views

app_name = "stock"

urlpatterns = [
    path("", views.Stock.as_view(), name="index"),
    path("<int:pk>/move/", views.move_item, name="move"),
    path("take-of-all/", views.take_of_all, name="take_of_all"),
    path("refill/", views.refill, name="refill"),
]
