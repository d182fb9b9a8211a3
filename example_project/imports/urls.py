"""Addresses of imports."""

from django.urls import path

from imports import views

app_name = "imports"

urlpatterns = [
    path("", views.index, name="index"),
    path("change/", views.change, name="change"),
    path("recount/", views.recount, name="recount"),
]
