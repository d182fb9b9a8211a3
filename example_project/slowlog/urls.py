"""Addresses of slowlog."""

from django.urls import path

from slowlog import views

app_name = "slowlog"

urlpatterns = [
    path("", views.index, name="index"),
    path("run/", views.run, name="run"),
    path("clear/", views.clear, name="clear"),
]
