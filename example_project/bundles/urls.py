"""Addresses of bundles."""

from django.urls import path

from bundles import views

app_name = "bundles"

urlpatterns = [
    path("", views.BundleList.as_view(), name="index"),
    path("new/", views.create, name="create"),
    path("<int:pk>/", views.edit, name="edit"),
]
