"""URLs of the project in a process of its own."""

from django.contrib import admin
from django.urls import path

from tests.shop import views

urlpatterns = [path("admin/", admin.site.urls), path("orders/", views.orders)]
