"""Addresses of pictures."""

from django.urls import path

from pictures import views

app_name = "pictures"

urlpatterns = [
    path("", views.index, name="index"),
    path("<slug:slug>/", views.upload, name="upload"),
    path("<slug:slug>/delete/", views.delete, name="delete"),
]
