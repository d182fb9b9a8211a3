"""Addresses of the example shop."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("", include("shop.urls")),
    path("", include("payments.urls")),
    path("mailbox/", include("mails.urls")),
    path("orders/", include("fulfilment.urls")),
    path("prices/", include("prices.urls")),
    path("stock/", include("stock.urls")),
    path("price-list/", include("pricelist.urls")),
    path("bundles/", include("bundles.urls")),
    path("pictures/", include("pictures.urls")),
    path("notifications/", include("notifications.urls")),
    path("search/", include("search.urls")),
    path("slow-queries/", include("slowlog.urls")),
    path("imports/", include("imports.urls")),
    path("alerts/", include("alerts.urls")),
    path("patterns/", include("patterns.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
if settings.HAS_TOOLBAR:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
