"""Addresses of patterns."""

from django.urls import path

from patterns.views import Patterns

app_name = "patterns"

urlpatterns = [path("", Patterns.as_view(), name="index")]
