"""URLs of the test project."""

from debug_toolbar.toolbar import debug_toolbar_urls
from django.contrib import admin
from django.urls import path

from tests.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("orders/", views.orders),
    path("orders/async/", views.async_orders),
    path("broken/", views.broken),
    *debug_toolbar_urls(),
]
