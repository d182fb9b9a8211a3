"""Addresses of fulfilment."""

from django.urls import path

from fulfilment import views

app_name = "fulfilment"

urlpatterns = [
    path("desk/", views.desk, name="desk"),
    path("<int:pk>/ship/", views.ship, name="ship"),
    path("<int:pk>/call-off/", views.cancel, name="cancel"),
]
