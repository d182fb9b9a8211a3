"""Addresses of prices."""

from django.urls import path

from prices import views

app_name = "prices"

urlpatterns = [
    path("", views.PriceList.as_view(), name="index"),
    path("<slug:slug>/set/", views.set_price, name="set"),
    path("<slug:slug>/subscribe/", views.subscribe, name="subscribe"),
    path("<slug:slug>/unsubscribe/", views.unsubscribe, name="unsubscribe"),
]
