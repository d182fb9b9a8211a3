"""Addresses of search."""

from django.urls import path

from search import views

app_name = "search"

urlpatterns = [
    path("", views.index, name="index"),
    path("save-all/", views.save_all, name="save_all"),
    path("flush/", views.flush, name="flush"),
]
