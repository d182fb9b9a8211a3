"""Addresses of alerts."""

from django.urls import path

from alerts import views

app_name = "alerts"

urlpatterns = [
    path("", views.index, name="index"),
    path("webhook/", views.save_webhook, name="webhook"),
    path("raise/", views.raise_one, name="raise"),
    path("inbox/", views.receive, name="inbox"),
    path("inbox/break/", views.break_inbox, name="break"),
]
