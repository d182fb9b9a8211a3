"""URLs of the test project."""

from django.contrib import admin
from django.urls import include, path

from tests.shop import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("orders/", views.orders),
    path("orders/async/", views.async_orders),
    path("broken/", views.broken),
    # debug_toolbar_urls() gives none where DEBUG is off, as it is when tests import this.
    path("__debug__/", include("debug_toolbar.urls")),
]
