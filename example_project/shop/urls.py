"""Addresses of the shop's pages."""

from django.urls import path

from shop import views

app_name = "shop"

urlpatterns = [
    path("", views.ProductList.as_view(), name="product_list"),
    path("products/<slug:slug>/", views.ProductPage.as_view(), name="product"),
    path("products/<slug:slug>/order/", views.order_product, name="order_product"),
    path("orders/", views.OrderList.as_view(), name="order_list"),
    path("orders/<int:pk>/", views.OrderPage.as_view(), name="order"),
    path("orders/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("pulse/", views.pulse, name="pulse"),
    path("newsletter/", views.NewsletterPage.as_view(), name="newsletter"),
]
